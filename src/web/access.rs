//! Who may use the page: a token that is made for each start, and no request that another page has made.

use std::sync::Mutex;

use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::hosts::Hosts;
use crate::sync::lock;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is for a host that is not ours: its name may have been bent to this machine.
    Host,
    /// Another page has made it.
    Foreign,
    /// Whoever makes it has not shown the token of this start.
    Stranger,
    /// An agent of a team makes it.
    Agent,
    /// This page only shows.
    ReadOnly,
}

/// The secrets of one start, and the rules.
#[derive(Debug)]
pub(super) struct Access {
    hosts: Hosts,
    token: String,
    /// What a browser holds once it has shown a token or a key.
    cookie: String,
    cookie_name: String,
    /// The key of the link that works once, until it was used.
    key: Mutex<Option<String>>,
    read_only: bool,
}

impl Access {
    pub(super) fn new(hosts: Hosts, read_only: bool) -> Self {
        // Browsers send cookies to all ports of a host: each start has a name of its own.
        let cookie_name = format!("teams-{}", hosts.port());
        Self { hosts, token: secret(), cookie: secret(), cookie_name, key: Mutex::new(Some(secret())), read_only }
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// The key of the link that works once.
    pub(super) fn key(&self) -> Option<String> {
        lock(&self.key).clone()
    }

    /// Whether this is the key, or the token; a key is used up with that.
    pub(super) fn admits(&self, shown: &str) -> bool {
        let mut key = lock(&self.key);
        if key.as_deref().is_some_and(|key| is_same(key, shown)) {
            *key = None;
            return true;
        }
        is_same(&self.token, shown)
    }

    /// What a browser is given that may come in. Only this site gets it back, scripts cannot read it, and it ends with the browser.
    pub(super) fn set_cookie(&self) -> Option<HeaderValue> {
        let (name, value) = (&self.cookie_name, &self.cookie);
        HeaderValue::try_from(format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict")).ok()
    }

    /// Checks that a request is for this host and comes from no other page; before anything else is looked at.
    pub(super) fn check_site(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = single(headers, HOST.as_str()).ok_or(Refusal::Host)?;
        if uri.authority().is_some() || !self.hosts.allows(host) {
            return Err(Refusal::Host);
        }
        if headers.contains_key(ORIGIN) {
            let origin = single(headers, ORIGIN.as_str()).ok_or(Refusal::Foreign)?;
            if !self.hosts.is_origin(origin, host) {
                return Err(Refusal::Foreign);
            }
        }
        // What a browser says of where a request comes from: `none` is the person, by a link elsewhere or the address bar.
        match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            None | Some(b"same-origin" | b"none") => Ok(()),
            // A link on another page may be followed; it brings no cookie.
            Some(_) if method == Method::GET && is(headers, "sec-fetch-mode", "navigate") => {
                let is_page = is(headers, "sec-fetch-dest", "document");
                if is_page { Ok(()) } else { Err(Refusal::Foreign) }
            }
            Some(_) => Err(Refusal::Foreign),
        }
    }

    /// Checks that whoever makes a request has shown the token of this start.
    pub(super) fn check_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let bearer = single(headers, AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        if bearer.is_some_and(|shown| is_same(&self.token, shown.trim())) || self.has_cookie(headers) {
            return Ok(());
        }
        Err(Refusal::Stranger)
    }

    /// Checks a request that changes something. A browser says of each such request where it comes from; one that does not has to show the token.
    pub(super) fn check_change(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.read_only {
            return Err(Refusal::ReadOnly);
        }
        match self.has_cookie(headers) && !headers.contains_key(ORIGIN) {
            true => Err(Refusal::Foreign),
            false => Ok(()),
        }
    }

    fn has_cookie(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(name, value)| name == self.cookie_name && is_same(&self.cookie, value))
    }
}

/// A header that is there once, as text.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

fn is(headers: &HeaderMap, name: &str, value: &str) -> bool {
    single(headers, name) == Some(value)
}

/// 244 random bits.
fn secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// Compares in a time that tells nothing of where the difference is.
fn is_same(known: &str, shown: &str) -> bool {
    Sha256::digest(known) == Sha256::digest(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access::new(Hosts::new("127.0.0.1:7433".parse().unwrap(), vec!["desk.example".into()]), false)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn site(method: Method, pairs: &[(&'static str, &str)]) -> Result<(), Refusal> {
        access().check_site(&method, &Uri::from_static("/"), &headers(pairs))
    }

    #[test]
    fn a_request_is_for_this_host_and_from_no_other_page() {
        let own = ("host", "127.0.0.1:7433");
        let get = |pairs: &[(&'static str, &str)]| site(Method::GET, pairs);
        let post = |pairs: &[(&'static str, &str)]| site(Method::POST, pairs);
        assert_eq!(get(&[own]), Ok(()));
        assert_eq!(get(&[]), Err(Refusal::Host));
        assert_eq!(get(&[own, own]), Err(Refusal::Host), "which of the two?");
        assert_eq!(get(&[("host", "evil.example:7433")]), Err(Refusal::Host));
        assert_eq!(post(&[own, ("origin", "http://127.0.0.1:7433")]), Ok(()));
        for foreign in ["http://evil.example", "null", "http://127.0.0.1:3000", "http://localhost:7433", "", "x"] {
            assert_eq!(post(&[own, ("origin", foreign)]), Err(Refusal::Foreign), "{foreign}");
            assert_eq!(get(&[own, ("origin", foreign)]), Err(Refusal::Foreign), "{foreign}");
        }
        assert_eq!(post(&[("host", "desk.example"), ("origin", "https://desk.example")]), Ok(()));
        for (from, expected) in [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)] {
            assert_eq!(get(&[own, ("sec-fetch-site", from)]).is_ok(), expected, "{from}");
            assert_eq!(post(&[own, ("sec-fetch-site", from)]).is_ok(), expected, "{from}");
        }
        let followed = [own, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(get(&[&followed[..], &[("sec-fetch-dest", "document")]].concat()), Ok(()));
        assert_eq!(get(&[&followed[..], &[("sec-fetch-dest", "iframe")]].concat()), Err(Refusal::Foreign));
        assert_eq!(post(&[&followed[..], &[("sec-fetch-dest", "document")]].concat()), Err(Refusal::Foreign));
        let absolute = Uri::from_static("http://127.0.0.1:7433/");
        assert_eq!(access().check_site(&Method::GET, &absolute, &headers(&[own])), Err(Refusal::Host));
    }

    #[test]
    fn a_key_opens_once_and_a_token_always() {
        let access = access();
        let key = access.key().unwrap();
        assert!(!access.admits("") && !access.admits("x") && access.key().is_some());
        assert!(access.admits(&key) && !access.admits(&key) && access.key().is_none());
        assert!(access.admits(&access.token) && access.admits(&access.token));
        assert!(!access.admits(&access.cookie));
    }

    #[test]
    fn only_the_secrets_of_this_start_count() {
        let (access, other) = (access(), access());
        let cookie = |access: &Access| {
            let value = access.set_cookie().unwrap();
            value.to_str().unwrap().split(';').next().unwrap().to_owned()
        };
        let told = |name, value: String| access.check_token(&headers(&[(name, value.as_str())]));
        assert_eq!(told("cookie", format!("a=b; {}", cookie(&access))), Ok(()));
        assert_eq!(told("authorization", format!("Bearer {}", access.token)), Ok(()));
        for (name, value) in [
            ("cookie", cookie(&other)),
            ("cookie", format!("teams-7433={}", access.token)),
            ("cookie", cookie(&access).replace("7433", "7434")),
            ("cookie", "teams-7433=".to_owned()),
            ("authorization", format!("Bearer {}", other.token)),
            ("authorization", access.token.clone()),
            ("authorization", "Bearer ".to_owned()),
        ] {
            assert_eq!(told(name, value.clone()), Err(Refusal::Stranger), "{name}: {value}");
        }
        assert_eq!(access.check_token(&HeaderMap::new()), Err(Refusal::Stranger));
    }

    #[test]
    fn a_browser_says_where_a_change_comes_from() {
        let access = access();
        let cookie = access.set_cookie().unwrap();
        let mut browser = HeaderMap::new();
        browser.insert(COOKIE, cookie.to_str().unwrap().split(';').next().unwrap().parse().unwrap());
        assert_eq!(access.check_change(&browser), Err(Refusal::Foreign));
        browser.insert(ORIGIN, HeaderValue::from_static("http://127.0.0.1:7433"));
        assert_eq!(access.check_change(&browser), Ok(()));
        let program = headers(&[("authorization", "Bearer x")]);
        assert_eq!(access.check_change(&program), Ok(()));
        let shows = Access::new(Hosts::new("127.0.0.1:1".parse().unwrap(), Vec::new()), true);
        assert_eq!(shows.check_change(&browser), Err(Refusal::ReadOnly));
    }
}
