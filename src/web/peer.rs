//! Who is at the other end of a connection, where that is this machine: a process that an agent of ours has started is an agent, whatever it
//! knows, and decides nothing.

use std::net::SocketAddr;

use agent_backends::process::descends_from;

/// Whether whoever has opened a connection descends from this process. Nobody can tell of one that came from another machine.
pub(super) fn descends(peer: SocketAddr, local: SocketAddr, ancestor: i32) -> bool {
    let Some(inode) = socket_of(peer, local) else { return false };
    let socket = format!("socket:[{inode}]");
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| holds(*pid, &socket)).any(|pid| descends_from(pid, ancestor))
}

fn holds(pid: i32, socket: &str) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().any(|file| std::fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == socket))
}

/// The other end of a connection, by the system's number for it.
fn socket_of(peer: SocketAddr, local: SocketAddr) -> Option<u64> {
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let text = std::fs::read_to_string(table).ok()?;
        text.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, from, to, ..] = fields[..] else { return None };
            let is_it = address(from)? == canonical(peer) && address(to)? == canonical(local);
            fields.get(9).filter(|_| is_it)?.parse().ok()
        })
    })
}

/// The same address however it is written.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// An address as the system's tables have it: words of the machine in hexadecimal digits.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let words = (0..ip.len() / 8).map(|at| u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok());
    let bytes: Vec<u8> = words.collect::<Option<Vec<u32>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    let ip = match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok()?.into(),
        _ => std::net::IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some(canonical(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read() {
        assert_eq!(address("0100007F:1D09"), "127.0.0.1:7433".parse().ok());
        assert_eq!(address("0000000000000000FFFF00000100007F:1D09"), "127.0.0.1:7433".parse().ok());
        for bad in ["", ":", "0100007F", "0100007:1D09", "zzzzzzzz:1D09"] {
            assert_eq!(address(bad), None, "{bad}");
        }
    }

    #[cfg(all(target_os = "linux", not(teams_portable)))]
    #[test]
    fn the_other_end_of_a_connection_is_found() {
        use std::net::{TcpListener, TcpStream};

        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let local = listener.local_addr().unwrap();
            let stream = TcpStream::connect(local).unwrap();
            let (_, peer) = listener.accept().unwrap();
            let own = i32::try_from(std::process::id()).unwrap();
            let parent = i32::try_from(std::os::unix::process::parent_id()).unwrap();
            assert!(descends(peer, local, parent), "{address}");
            assert!(!descends(peer, local, own), "nobody descends from themselves");
            drop(stream);
        }
    }
}
