//! `teams web`, and requests to it of which a test decides every byte.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use super::{Home, signal};

/// A page that is served.
pub(crate) struct Page {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub(crate) host: String,
    pub(crate) link: String,
    pub(crate) token_file: String,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// What a browser sends back of the cookie that it was given.
    pub(crate) fn cookie(&self) -> String {
        let cookie = self.header("set-cookie").unwrap_or_else(|| panic!("no cookie in {self:?}"));
        cookie.split(';').next().expect("a pair").to_owned()
    }
}

impl Page {
    pub(crate) fn open(home: &Home, args: &[&str]) -> Self {
        Self::of(home, &[&["web", "--json", "--listen", "127.0.0.1:0"], args].concat())
    }

    /// The page that a verb serves, and says as JSON where it is.
    pub(crate) fn of(home: &Home, args: &[&str]) -> Self {
        let mut child = home.start(args);
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it is");
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        let text = |name: &str| said[name].as_str().expect("a text").to_owned();
        let link = text("link");
        let host = link.split('/').nth(2).expect("a host").to_owned();
        Self { child, host, link, token_file: text("tokenFile") }
    }

    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(&self.token_file).expect("the token").trim().to_owned()
    }

    /// The path that opens it once.
    pub(crate) fn door(&self) -> &str {
        self.link.split_once(&self.host).expect("a link to it").1
    }

    /// The cookie of a browser that has come in.
    pub(crate) fn enter(&self) -> String {
        let answer = self.get(self.door(), &[]);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.cookie()
    }

    /// Sends these bytes, and answers the connection.
    pub(crate) fn say(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.host).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
        // It may have heard enough before the end.
        let _ = stream.write_all(bytes);
        stream
    }

    /// Sends a request with these headers, and with its own `Host` where they have none.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        read(self.say(&self.written(method, path, headers, body)))
    }

    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.request("GET", path, headers, "")
    }

    /// Sends a form as a browser does that has this cookie.
    pub(crate) fn post(&self, path: &str, cookie: &str, form: &str) -> Answer {
        let origin = format!("http://{}", self.host);
        self.request("POST", path, &[("cookie", cookie), ("origin", &origin)], form)
    }

    /// Opens a stream of events, which is read line by line.
    pub(crate) fn events(&self, path: &str, headers: &[(&str, &str)]) -> impl Iterator<Item = String> + use<> {
        let stream = self.say(&self.written("GET", path, headers, ""));
        BufReader::new(stream).lines().map(|line| line.expect("another line"))
    }

    fn written(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            request += &format!("host: {}\r\n", self.host);
        }
        // An empty value leaves the header out.
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            request +=
                &format!("content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n", body.len());
        }
        format!("{request}\r\n{body}").into_bytes()
    }

    pub(crate) fn pid(&self) -> u64 {
        self.child.id().into()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it can be looked at").is_none()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // What it has started ends with it.
        if self.is_running() {
            signal("-TERM", self.pid());
            let _ = self.child.wait();
        }
    }
}

/// Reads an answer to its end.
pub(crate) fn read(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    Answer { status, headers: lines.filter_map(header).collect(), body: body.to_owned() }
}
