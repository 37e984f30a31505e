use std::net::TcpListener;

use crate::error::{Context, Result};

/// `N` different ports on 127.0.0.1 that were free a moment ago.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    // All are held until the last is found, so that none comes twice.
    let mut held = Vec::with_capacity(N);
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context(|| "no free port".into())?;
        *port = listener.local_addr().context(|| "no free port".into())?.port();
        held.push(listener);
    }
    Ok(ports)
}
