//! What a JVM shows over JMX.

use std::path::Path;

use crate::components::Components;
use crate::error::Result;
use crate::java::kafka_tool;

/// Arguments for a JVM that serves its MBeans on 127.0.0.1, to everyone.
pub fn jmx_arguments(port: u16) -> Vec<String> {
    [
        format!("port={port}"),
        format!("rmi.port={port}"),
        "host=127.0.0.1".into(),
        "authenticate=false".into(),
        "ssl=false".into(),
    ]
    .map(|setting| format!("-Dcom.sun.management.jmxremote.{setting}"))
    .into_iter()
    .chain(["-Djava.rmi.server.hostname=127.0.0.1".into()])
    .collect()
}

/// Each attribute of each MBean, a line each, `NAME ATTRIBUTE = VALUE`, and for each MBean `NAME is a CLASS`.
pub fn read_mbeans(components: &Components, folder: &Path, port: u16) -> Result<String> {
    kafka_tool(components, folder, "MBeans", &[&port.to_string()])
}
