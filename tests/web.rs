//! `teams web`: who is let in, what each is answered, and what comes of it.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Home, Page, read_answer, signal, wait_for};

fn crew() -> Home {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "anna", "--backend", "claude"]);
    home
}

#[test]
fn a_link_opens_the_page_once_and_the_token_of_this_start_always() {
    let home = crew();
    let mut page = Page::open(&home, &[]);
    let file = std::fs::metadata(&page.token_file).expect("the token's file");
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let stranger = page.get("/", &[]);
    assert!(stranger.status == 401 && !stranger.body.contains("anna"), "{stranger:?}");
    assert_eq!(page.request("HEAD", page.door(), &[], "").status, 405, "whoever only looks uses up nothing");
    let entered = page.get(page.door(), &[]);
    let given = entered.header("set-cookie").expect("a cookie");
    assert!(given.contains("HttpOnly") && given.contains("SameSite=Strict"), "{given}");
    let cookie = entered.cookie();
    assert_eq!(page.get(page.door(), &[]).status, 401, "it works once");
    for headers in [("cookie", cookie.clone()), ("authorization", format!("Bearer {}", page.token()))] {
        let seen = page.get("/?team=crew&member=anna", &[(headers.0, &headers.1)]);
        assert!(seen.status == 200 && seen.body.contains("anna"), "{seen:?}");
        for (name, value) in [
            ("content-security-policy", "default-src 'none'; script-src 'self'"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert!(seen.header(name).is_some_and(|known| known.starts_with(value)), "{name}: {seen:?}");
        }
        assert_eq!(seen.header("access-control-allow-origin"), None);
    }
    let shown = page.request(
        "POST",
        "/enter",
        &[("origin", &format!("http://{}", page.host))],
        &format!("key={}", page.token()),
    );
    assert_eq!((shown.status, shown.cookie()), (200, cookie.clone()));
    assert_eq!(page.request("POST", "/enter", &[], "key=guess").status, 401);
    let token = page.token();
    signal("-TERM", page.pid());
    wait_for("its end", || (!page.is_running()).then_some(()));
    assert!(!std::fs::exists(&page.token_file).expect("a folder"), "its token opens nothing any more");
    let next = Page::open(&home, &[]);
    let old = cookie.replace(page.host.split(':').nth(1).unwrap(), next.host.split(':').nth(1).unwrap());
    assert_eq!(next.get("/", &[("cookie", &old)]).status, 401, "a cookie of an earlier start");
    assert_eq!(next.get("/", &[("authorization", &format!("Bearer {token}"))]).status, 401);
    assert_eq!(next.get("/", &[("authorization", &format!("Bearer {}", next.token()))]).status, 200);
}

/// Every request that another page, another host or a stranger can make, and that none of them does or shows anything.
#[test]
fn nobody_but_this_page_asks_or_answers() {
    let home = crew();
    home.teams(&["send", "anna", "[[run touch made]]"]);
    let id = home.wait_for_approval();
    let page = Page::open(&home, &[]);
    let cookie = page.enter();
    let own = format!("http://{}", page.host);
    let port = page.host.split(':').nth(1).unwrap();
    let (localhost, rebound) = (format!("http://localhost:{port}"), format!("evil.example:{port}"));
    let other_port = "http://127.0.0.1:3000".to_owned();
    let rebound_origin = format!("http://{rebound}");
    let cookie = ("cookie", cookie.as_str());
    let form = format!("team=crew&id={id}&decision=allow");
    type Headers<'a> = Vec<(&'a str, &'a str)>;
    let cases: Vec<(&str, Headers<'_>, u16)> = vec![
        ("a stranger", vec![("origin", &own)], 401),
        ("a wrong cookie", vec![("origin", &own), ("cookie", "teams=1")], 401),
        ("a wrong token", vec![("authorization", "Bearer 0")], 401),
        ("another page", vec![cookie, ("origin", "https://evil.example")], 403),
        ("a page of another port, which is the same site", vec![cookie, ("origin", &other_port)], 403),
        ("a page of another name of this host", vec![cookie, ("origin", &localhost)], 403),
        ("a sandboxed frame", vec![cookie, ("origin", "null")], 403),
        ("two origins", vec![cookie, ("origin", &own), ("origin", "https://evil.example")], 403),
        ("no origin", vec![cookie], 403),
        (
            "another site, by what the browser says",
            vec![cookie, ("origin", &own), ("sec-fetch-site", "cross-site")],
            403,
        ),
        (
            "the same site, by what the browser says",
            vec![cookie, ("origin", &own), ("sec-fetch-site", "same-site")],
            403,
        ),
        ("a name that was bent to this machine", vec![cookie, ("host", &rebound), ("origin", &rebound_origin)], 421),
        ("another port", vec![cookie, ("host", "127.0.0.1:80"), ("origin", "http://127.0.0.1:80")], 421),
        ("no host", vec![cookie, ("host", ""), ("origin", &own)], 421),
        ("two hosts", vec![cookie, ("host", &page.host), ("host", "evil.example"), ("origin", &own)], 421),
    ];
    for (who, headers, expected) in &cases {
        let answer = page.request("POST", "/answer", headers, &form);
        assert_eq!(answer.status, *expected, "{who}: {answer:?}");
        assert!(!answer.body.contains("anna") && answer.header("access-control-allow-origin").is_none(), "{who}");
        // What only shows is shown to none of them either.
        for path in ["/", "/?team=crew&member=anna", "/live?team=crew&member=anna"] {
            if *who == "no origin" {
                continue;
            }
            let answer = page.get(path, headers);
            assert_eq!(answer.status, *expected, "{who}: {path}: {answer:?}");
            assert!(!answer.body.contains("anna"), "{who}: {path}: {answer:?}");
        }
    }
    for method in ["OPTIONS", "PUT", "DELETE", "TRACE", "CONNECT"] {
        let answer = page.request(method, "/answer", &[cookie, ("origin", &own)], "");
        assert!((400..500).contains(&answer.status), "{method}: {answer:?}");
    }
    assert_eq!(page.get(&format!("/answer?{form}"), &[cookie]).status, 405, "a link answers nothing");
    assert_eq!(page.request("POST", &format!("{own}/answer"), &[cookie, ("origin", &own)], &form).status, 421);
    assert_eq!(home.wait_for_approval(), id, "nobody has answered it");
    // Neither does what an agent has started, whatever it knows.
    assert_eq!(asked_by_an_agent(&home, &page, &form), "403");
    assert_eq!(home.wait_for_approval(), id);
    // A link on another page leads here, as a stranger.
    let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    assert_eq!(page.get("/", &link).status, 401);
    let answer = page.post("/answer", cookie.1, &form);
    assert_eq!(answer.status, 200, "{answer:?}");
    home.wait_for_state("anna", "idle");
    assert!(home.work().join("made").exists());
}

/// What an agent's shell is answered that has read the token.
fn asked_by_an_agent(home: &Home, page: &Page, form: &str) -> String {
    home.teams(&["spawn", "ben", "--backend", "claude", "--permission-mode", "bypassPermissions"]);
    let program = format!(
        "import urllib.request as r, urllib.error\nq = r.Request('http://{}/answer', '{form}'.encode(), {{'Authorization': 'Bearer {}'}})\n\
         try: print(r.urlopen(q).status)\nexcept urllib.error.HTTPError as e: print(e.code)\n",
        page.host,
        page.token()
    );
    home.write("ask.py", &program);
    let (script, answer) = (home.path().join("ask.py"), home.path().join("answer"));
    home.teams(&["send", "ben", &format!("[[run python3 {} > {}]]", script.display(), answer.display())]);
    let said = wait_for("the answer", || std::fs::read_to_string(&answer).ok().filter(|said| said.ends_with('\n')));
    home.teams(&["stop", "ben"]);
    said.trim().to_owned()
}

#[test]
fn forms_work_without_a_script() {
    let home = crew();
    let page = Page::open(&home, &[]);
    let cookie = page.enter();
    let origin = format!("http://{}", page.host);
    let browser = [("cookie", cookie.as_str()), ("origin", origin.as_str()), ("accept", "text/html,*/*")];
    let post = |path: &str, form: &str| page.request("POST", path, &browser, form);
    let back = "back=/?team=crew%26member=anna";
    let sent = post("/send", &format!("team=crew&member=anna&{back}&text=one%0D%0A[[run touch made]]"));
    assert_eq!((sent.status, sent.header("location")), (303, Some("/?team=crew&member=anna")), "{sent:?}");
    let id = home.wait_for_approval();
    wait_for("the question", || page.get("/?team=crew", &browser).body.contains(&id).then_some(()));
    for (form, status, says) in [
        (format!("id={id}&decision=yes"), 400, "neither allow"),
        (format!("id={id}"), 400, "no `decision`"),
        ("id=anna-9999&decision=allow".to_owned(), 404, "anna-9999"),
        (format!("id={id}&decision=answer&answer-0=x"), 400, "for no answer"),
    ] {
        let answer = post("/answer", &format!("team=crew&{form}"));
        assert!(answer.status == status && answer.body.contains(says), "{form}: {answer:?}");
    }
    assert_eq!(post("/answer", &format!("team=nobody&id={id}&decision=allow")).status, 404);
    let elsewhere = post("/answer", &format!("team=crew&id={id}&decision=deny&reason=not+today&back=//evil.example/"));
    assert_eq!((elsewhere.status, elsewhere.header("location")), (303, Some("/")), "it leads to no other site");
    home.wait_for_state("anna", "idle");
    assert!(!home.work().join("made").exists());
    home.wait_for_event("the answer", |event| event["type"] == "approval-closed" && event["outcome"] == "denied");
    let hold = home.hold("held");
    home.teams(&["send", "anna", "[[run touch made]]"]);
    let id = home.wait_for_approval();
    assert_eq!(post("/answer", &format!("team=crew&id={id}&decision=session")).status, 303);
    home.wait_for_state("anna", "idle");
    assert!(home.work().join("made").exists());
    home.teams(&["send", "anna", &format!("[[say one two]] {hold}")]);
    home.wait_for_event("its first word", |event| event["text"] == "one ");
    assert_eq!(post("/interrupt", "team=crew&member=anna").status, 303);
    home.wait_for_state("anna", "idle");
    hold.release();
    assert_eq!(post("/send", "team=crew&member=anna&text=+").status, 400);
    let long = post("/send", &format!("team=crew&member=anna&text={}", "x".repeat(2 << 20)));
    assert_eq!(long.status, 413, "{long:?}");
    assert_eq!(post("/stop", "team=crew&member=anna").status, 303);
    home.wait_for_state("anna", "exited");
    let gone = page.get("/?team=nobody", &browser);
    assert!(gone.status == 404 && gone.body.contains("no such team"), "{gone:?}");
}

#[test]
fn a_page_that_only_shows_takes_no_answer() {
    let home = crew();
    home.teams(&["create", "other"]);
    home.teams(&["-t", "crew", "send", "anna", "[[run touch made]]"]);
    let page = Page::open(&home, &["--read-only", "-t", "crew"]);
    let cookie = page.enter();
    let seen = wait_for("the question", || {
        Some(page.get("/", &[("cookie", &cookie)]).body).filter(|body| body.contains("touch made"))
    });
    assert!(!seen.contains("<form") && !seen.contains("other"), "{seen}");
    for path in ["/answer", "/send", "/interrupt", "/stop"] {
        let answer = page.post(path, &cookie, "team=crew&member=anna&text=x&id=anna-1&decision=allow");
        assert!(answer.status == 403 && answer.body.contains("--read-only"), "{path}: {answer:?}");
    }
    home.teams(&["-t", "crew", "interrupt", "anna"]);
}

#[test]
fn events_go_on_after_the_last_one_that_a_page_has() {
    let home = crew();
    home.ask("anna", "[[say the plums]]");
    let page = Page::open(&home, &[]);
    let cookie = page.enter();
    let path = "/live?team=crew&member=anna";
    let mut lines = page.events(path, &[("cookie", &cookie)]);
    let until = |lines: &mut dyn Iterator<Item = String>, wanted: &str| {
        let mut id = None;
        let mut seen = String::new();
        for line in lines {
            id = line.strip_prefix("id: ").map(str::to_owned).or(id);
            seen += &line;
            if line.contains(wanted) {
                return (id.expect("an id"), seen);
            }
        }
        panic!("the stream has ended: {seen}");
    };
    let (first, seen) = until(&mut lines, "the plums");
    assert!(seen.contains("event: transcript") && seen.contains("event: list"), "{seen}");
    home.ask("anna", "[[say the pears]]");
    let (_, seen) = until(&mut lines, "the pears");
    assert!(!seen.contains("event: transcript") && !seen.contains("the plums"), "{seen}");
    drop(lines);
    home.ask("anna", "[[say the figs]]");
    let mut again = page.events(path, &[("cookie", &cookie), ("last-event-id", &first)]);
    let (last, seen) = until(&mut again, "the figs");
    assert!(seen.contains("the pears") && !seen.contains("the plums"), "{seen}");
    // The page that a browser opens says which events it has.
    let opened = page.get("/?team=crew&member=anna", &[("cookie", &cookie)]).body;
    let since = opened.split("data-since=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let number = |id: &str| id.split_once('.').and_then(|(_, number)| number.parse::<u64>().ok()).expect("a number");
    assert!(number(&since) >= number(&last), "{since} after {last}");
    let mut after = page.events(&format!("{path}&since={since}"), &[("cookie", &cookie)]);
    home.ask("anna", "[[say the nuts]]");
    let (_, seen) = until(&mut after, "the nuts");
    assert!(!seen.contains("the figs"), "{seen}");
    // The next daemon's events go on, too.
    home.teams(&["daemon", "stop"]);
    home.teams(&["resume"]);
    home.ask("anna", "[[say the quinces]]");
    until(&mut after, "the quinces");
}

#[test]
fn nothing_that_is_sent_breaks_it() {
    let home = crew();
    let mut page = Page::open(&home, &[]);
    let cookie = page.enter();
    let long = "x".repeat(1 << 20);
    for bytes in [
        "\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\nhost: {}\r\n\r\n", page.host),
        format!("GET / HTTP/1.1\r\nhost: {}\r\ncookie: {long}\r\n\r\n", page.host),
        format!("GET / HTTP/1.0\r\ncookie: {cookie}\r\n\r\n"),
        format!("POST /answer HTTP/1.1\r\nhost: {}\r\ncontent-length: -1\r\n\r\n", page.host),
        "\u{1b}[2J\0\u{fffd}".to_owned(),
    ] {
        let answer = read_answer(page.say(format!("{bytes}\r\n\r\n").as_bytes()));
        assert!(answer.status == 0 || (400..600).contains(&answer.status), "{answer:?}");
    }
    for path in ["/?tab=none", "/?team=%FF", "/../etc/passwd", "/live?since=x", "//evil.example"] {
        let answer = page.get(path, &[("cookie", &cookie)]);
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
    }
    // Whoever only holds connections keeps nobody out, and loses them in the end.
    let mut held: Vec<_> = (0..700).map(|_| page.say(b"GET / HTTP/1.1\r\n")).collect();
    let answer = page.get("/", &[("cookie", &cookie)]);
    assert!(answer.status == 200 && page.is_running(), "{answer:?}");
    let first = held.first_mut().expect("a connection");
    assert_eq!(first.read(&mut [0; 1]).unwrap_or(0), 0, "the one that has waited longest had to go");
}

#[test]
fn a_command_is_told_who_needs_somebody() {
    let home = crew();
    home.write("tell", "#!/bin/sh\ncat >> \"$1\"\necho \"$#\" >> \"$1\"\n");
    let (program, told) = (home.path().join("tell"), home.path().join("told it"));
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let command = format!("{} '{}'", program.display(), told.display());
    let _page = Page::open(&home, &["--notify-command", &command]);
    home.teams(&["send", "anna", "[[run echo $(touch hidden) '; touch other']]"]);
    let id = home.wait_for_approval();
    let said = wait_for("the command", || std::fs::read_to_string(&told).ok().filter(|said| said.ends_with("1\n")));
    let line: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!((&line["team"], &line["member"], &line["id"]), (&"crew".into(), &"anna".into(), &id.as_str().into()));
    assert!(line["text"].as_str().unwrap().contains("touch hidden"), "{line}");
    home.teams(&["interrupt", "anna"]);
    let (_, said) = home.fails(&["web", "--notify-command", "'"]);
    assert!(said.contains("--notify-command cannot be read"), "{said}");
}

#[test]
fn an_address_that_is_taken_is_said() {
    let home = crew();
    let page = Page::open(&home, &[]);
    let (_, said) = home.fails(&["web", "--listen", &page.host]);
    assert!(said.contains(&page.host) && said.contains("--listen"), "{said}");
    let (_, said) = home.fails(&["web", "-t", "nobody"]);
    assert!(said.contains("nobody"), "{said}");
}

/// What a browser loads to show a member, all together.
#[test]
fn the_page_is_light() {
    let home = crew();
    home.ask("anna", "[[say hello]]");
    let page = Page::open(&home, &[]);
    let cookie = page.enter();
    let loaded = ["/?team=crew&member=anna", "/assets/page.css", "/assets/page.js", "/assets/icon.svg"]
        .map(|path| page.get(path, &[("cookie", &cookie)]))
        .map(|answer| {
            assert_eq!(answer.status, 200);
            answer.body.len()
        });
    assert!(loaded.iter().sum::<usize>() < 100_000, "{loaded:?}");
}
