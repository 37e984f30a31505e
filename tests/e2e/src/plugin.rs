//! The plugin in places where loading it is not the usual thing.

use crate::cluster::cluster;
use crate::scenario::{CLASS, Scenario};

#[test]
fn without_its_native_library_the_plugin_is_listed_and_validates_and_its_task_says_why() {
    let mut broken =
        cluster().spawn_worker("broken", "no-native", &["-Dsluice.native.path=/nonexistent/libsluice.so"]);
    broken.wait_until_ready().unwrap();
    let connect = broken.connect();
    assert!(connect.plugins().unwrap().iter().any(|(class, _)| class == CLASS));
    let mut scenario = Scenario::on(connect.clone(), "no-native", 1);
    assert_eq!(connect.validate(CLASS, &scenario.config().set("name", "x").json()).unwrap(), []);
    let refused =
        connect.validate(CLASS, &scenario.config().set("name", "x").set("delta.x", 1).json()).unwrap();
    assert_eq!(refused.len(), 1, "{refused:?}");

    scenario.send(500);
    scenario.put(&scenario.config());
    let libc = if cfg!(target_env = "musl") { "musl libc" } else { "gnu libc" };
    let platform = format!("{}, {}, {libc}, Java ", std::env::consts::OS, std::env::consts::ARCH);
    scenario.fails_with(&["NATIVE_UNAVAILABLE", &platform, "/nonexistent/libsluice.so: no such file"]);
    broken.stop().unwrap();

    let mut whole = cluster().spawn_worker("whole", "no-native", &[]);
    whole.wait_until_ready().unwrap();
    scenario.talk_to(whole.connect());
    scenario.runs(1);
    scenario.completes();
    whole.stop().unwrap();
}
