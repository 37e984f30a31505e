use std::str::FromStr;

use sluice_testkit::Error;

/// The newest that the libraries for glibc may need: that of December 2012.
pub const OLDEST_GLIBC: (u32, u32) = (2, 17);

/// One of those that packages are made for.
#[derive(Debug, PartialEq, Eq)]
pub struct Platform {
    /// Of the folder under `native/` in which the plugin looks there.
    pub name: &'static str,
    /// Rust's word for it.
    pub triple: &'static str,
    /// readelf's word for the processor.
    pub machine: &'static str,
    pub musl: bool,
}

const X86_64: &str = "Advanced Micro Devices X86-64";
const AARCH64: &str = "AArch64";

pub const PLATFORMS: [Platform; 4] = [
    Platform { name: "linux-x86_64-gnu", triple: "x86_64-unknown-linux-gnu", machine: X86_64, musl: false },
    Platform {
        name: "linux-aarch64-gnu",
        triple: "aarch64-unknown-linux-gnu",
        machine: AARCH64,
        musl: false,
    },
    Platform { name: "linux-x86_64-musl", triple: "x86_64-unknown-linux-musl", machine: X86_64, musl: true },
    Platform {
        name: "linux-aarch64-musl",
        triple: "aarch64-unknown-linux-musl",
        machine: AARCH64,
        musl: true,
    },
];

/// The folder under `native/` in which the plugin looks on a machine like this one.
pub fn here() -> String {
    format!("{}-{}-{}", std::env::consts::OS, std::env::consts::ARCH, super::LIBC)
}

impl FromStr for &'static Platform {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        PLATFORMS.iter().find(|platform| platform.name == name).ok_or_else(|| {
            let names = PLATFORMS.map(|platform| platform.name).join(", ");
            Error::new(format!("there is no such platform; there are {names}"))
        })
    }
}
