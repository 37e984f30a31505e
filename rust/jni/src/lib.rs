//! The native methods of `io.sluice.connect.Native`, as `docs/crossing.md` describes them. Each returns a reply; none
//! throws, and no panic leaves it.

#[cfg(not(panic = "unwind"))]
compile_error!("a panic has to end one task, not the worker: build with panic = \"unwind\"");

mod buffers;
mod log_levels;
mod log_rates;
mod logs;
mod memory;
mod process;

use std::panic::{AssertUnwindSafe, catch_unwind};

use jni::errors::ThrowRuntimeExAndDefault;
use jni::objects::{JByteArray, JClass, JIntArray, JLongArray, JObject, JObjectArray};
use jni::sys::{jint, jlong};
use jni::{Env, EnvUnowned};
use sluice_core::wire::Reply;
use sluice_core::{Code, Error, Result};

use buffers::{JavaBuffers, all_bytes, all_ints, all_longs};

/// Runs a native method's body and makes its outcome a Java `byte[]`; an error and a panic are replies too.
fn reply<'l>(
    mut unowned: EnvUnowned<'l>,
    body: impl FnOnce(&mut Env<'l>) -> Result<Reply>,
) -> JByteArray<'l> {
    let outcome = unowned.with_env(|env| -> jni::errors::Result<_> {
        let outcome = catch_unwind(AssertUnwindSafe(|| body(env)));
        let reply = match outcome {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => Reply::error(&error),
            Err(payload) => Reply::error(&Error::new(Code::NativePanic, logs::panic_message(&*payload))),
        };
        env.byte_array_from_slice(&reply.into_bytes())
    });
    outcome.resolve::<ThrowRuntimeExAndDefault>()
}

/// A JNI call failed, which means that Java handed over something else than the crossing says.
fn crossing(error: jni::errors::Error) -> Error {
    Error::new(Code::CrossingInvalid, error.to_string())
}

#[unsafe(no_mangle)]
pub extern "system" fn Java_io_sluice_connect_Native_init<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    crossing_version: jint,
) -> JByteArray<'l> {
    reply(env, |_| process::init(crossing_version))
}

#[unsafe(no_mangle)]
pub extern "system" fn Java_io_sluice_connect_Native_start<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    request: JByteArray<'l>,
) -> JByteArray<'l> {
    reply(env, |env| process::start(&all_bytes(env, &request)?))
}

#[unsafe(no_mangle)]
pub extern "system" fn Java_io_sluice_connect_Native_open<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    task: jlong,
    partitions: JByteArray<'l>,
) -> JByteArray<'l> {
    reply(env, |env| process::open(task, &all_bytes(env, &partitions)?))
}

#[unsafe(no_mangle)]
pub extern "system" fn Java_io_sluice_connect_Native_registerSchema<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    task: jlong,
    descriptor: JByteArray<'l>,
) -> JByteArray<'l> {
    reply(env, |env| process::register_schema(task, &all_bytes(env, &descriptor)?))
}

#[unsafe(no_mangle)]
pub extern "system" fn Java_io_sluice_connect_Native_registerTopic<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    task: jlong,
    name: JByteArray<'l>,
) -> JByteArray<'l> {
    reply(env, |env| process::register_topic(task, &all_bytes(env, &name)?))
}

#[unsafe(no_mangle)]
pub extern "system" fn Java_io_sluice_connect_Native_put<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    task: jlong,
    meta: JIntArray<'l>,
    buffers: JObjectArray<'l, JObject<'l>>,
) -> JByteArray<'l> {
    reply(env, |env| {
        let meta = all_ints(env, &meta)?;
        process::put(task, &meta, &mut JavaBuffers::new(env, &buffers)?)
    })
}

#[unsafe(no_mangle)]
pub extern "system" fn Java_io_sluice_connect_Native_preCommit<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    task: jlong,
    partitions: JIntArray<'l>,
    positions: JLongArray<'l>,
) -> JByteArray<'l> {
    reply(env, |env| process::pre_commit(task, &all_ints(env, &partitions)?, &all_longs(env, &positions)?))
}

#[unsafe(no_mangle)]
pub extern "system" fn Java_io_sluice_connect_Native_close<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    task: jlong,
    partitions: JIntArray<'l>,
) -> JByteArray<'l> {
    reply(env, |env| process::close(task, &all_ints(env, &partitions)?))
}

#[unsafe(no_mangle)]
pub extern "system" fn Java_io_sluice_connect_Native_stop<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    task: jlong,
) -> JByteArray<'l> {
    reply(env, |_| process::stop(task))
}

#[unsafe(no_mangle)]
pub extern "system" fn Java_io_sluice_connect_Native_stats<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    task: jlong,
) -> JByteArray<'l> {
    reply(env, |_| process::stats(task))
}

#[unsafe(no_mangle)]
pub extern "system" fn Java_io_sluice_connect_Native_processStats<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
) -> JByteArray<'l> {
    reply(env, |_| process::process_stats())
}

#[unsafe(no_mangle)]
pub extern "system" fn Java_io_sluice_connect_Native_alterOffsets<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    request: JByteArray<'l>,
) -> JByteArray<'l> {
    reply(env, |env| process::alter_offsets(&all_bytes(env, &request)?))
}

#[unsafe(no_mangle)]
pub extern "system" fn Java_io_sluice_connect_Native_validate<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    request: JByteArray<'l>,
) -> JByteArray<'l> {
    reply(env, |env| process::validate(&all_bytes(env, &request)?))
}

#[unsafe(no_mangle)]
pub extern "system" fn Java_io_sluice_connect_Native_drainLogs<'l>(
    env: EnvUnowned<'l>,
    _class: JClass<'l>,
    timeout_ms: jint,
    levels: JByteArray<'l>,
) -> JByteArray<'l> {
    reply(env, |env| Ok(logs::drain(timeout_ms, &all_bytes(env, &levels)?)))
}
