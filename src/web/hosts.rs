//! Under which names the page may be asked for. A name that somebody else owns can be bent to this machine; an address cannot.

use std::net::{IpAddr, SocketAddr};

/// The names of this server.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    listen: SocketAddr,
    /// What a person has allowed, in lower case: the name of a proxy, or of this machine.
    names: Vec<String>,
}

impl Hosts {
    pub(super) fn new(listen: SocketAddr, names: Vec<String>) -> Self {
        Self { listen, names: names.into_iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    pub(super) fn port(&self) -> u16 {
        self.listen.port()
    }

    /// Whether this, as it stands in a request's `Host`, means this server.
    pub(super) fn allows(&self, host: &str) -> bool {
        let Some((name, port)) = parts(host) else { return false };
        if self.names.iter().any(|allowed| name.eq_ignore_ascii_case(allowed)) {
            return true;
        }
        // Browsers leave out the port of plain HTTP.
        if port.unwrap_or(80) != self.listen.port() {
            return false;
        }
        let own = self.listen.ip();
        match name.parse::<IpAddr>() {
            Ok(address) if own.is_loopback() => address == own,
            Ok(_) => true,
            Err(_) => name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Whether a request with this `Origin` comes from a page of the host that it is for.
    pub(super) fn is_origin(&self, origin: &str, host: &str) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let is_named = parts(host).is_some_and(|(name, _)| self.names.iter().any(|own| name.eq_ignore_ascii_case(own)));
        let is_scheme = scheme == "http" || scheme == "https" && is_named;
        is_scheme && authority.eq_ignore_ascii_case(host)
    }
}

/// The name or address of a host, and its port.
fn parts(host: &str) -> Option<(&str, Option<u16>)> {
    let (name, rest) = match host.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => match host.find(':') {
            Some(at) => host.split_at(at),
            None => (host, ""),
        },
    };
    let port = match rest.strip_prefix(':') {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
        None if rest.is_empty() => None,
        _ => return None,
    };
    (!name.is_empty()).then_some((name, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_bent_to_this_machine_is_not_ours() {
        let own = Hosts::new("127.0.0.1:7433".parse().unwrap(), vec!["Desk.example".into()]);
        for host in ["127.0.0.1:7433", "localhost:7433", "LOCALHOST:7433", "desk.example", "desk.example:443"] {
            assert!(own.allows(host), "{host}");
        }
        for host in [
            "",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1:7433x",
            "127.0.0.1:",
            "127.0.0.1:7433:7433",
            "127.0.0.2:7433",
            "10.0.0.1:7433",
            "[::1]:7433",
            "evil.example:7433",
            "127.0.0.1.evil.example:7433",
            "localhost.evil.example:7433",
            "localhost.:7433",
            "desk.example.evil.example",
            "user@127.0.0.1:7433",
            "0x7f000001:7433",
        ] {
            assert!(!own.allows(host), "{host}");
        }
    }

    #[test]
    fn on_a_network_any_address_may_be_ours_and_no_name() {
        let own = Hosts::new("0.0.0.0:80".parse().unwrap(), Vec::new());
        assert!(own.allows("192.168.1.4") && own.allows("[fe80::1]:80") && own.allows("localhost"));
        assert!(!own.allows("desk") && !own.allows("192.168.1.4:81") && !own.allows("evil.example"));
    }

    #[test]
    fn a_page_comes_from_the_host_it_asks() {
        let own = Hosts::new("127.0.0.1:7433".parse().unwrap(), vec!["desk.example".into()]);
        assert!(own.is_origin("http://127.0.0.1:7433", "127.0.0.1:7433"));
        assert!(own.is_origin("https://desk.example", "desk.example"));
        for origin in
            ["https://127.0.0.1:7433", "http://localhost:7433", "ftp://127.0.0.1:7433", "null", "127.0.0.1:7433"]
        {
            assert!(!own.is_origin(origin, "127.0.0.1:7433"), "{origin}");
        }
    }
}
