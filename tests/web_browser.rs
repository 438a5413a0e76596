//! `teams web` in a real Chromium, through WebDriver: what a person sees of it, and does with it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::http::Method;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;

use crate::support::{Agent, Home, Page, wait_for};

/// How long the browser may take to show something.
const LIMIT: Duration = Duration::from_secs(60);

/// A browser with nothing in it.
pub(crate) struct Browser {
    // In the order in which they end.
    client: Client,
    runtime: tokio::runtime::Runtime,
    _driver: Driver,
    /// Its profile.
    _folder: tempfile::TempDir,
}

/// The process that drives it, and ends with the test.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Browser {
    pub(crate) fn open(width: u32, height: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let file = std::fs::File::create(&log).expect("a log");
        let driver = Command::new("chromedriver")
            .args(["--port=0"])
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(Stdio::null())
            .spawn()
            .map(Driver)
            .expect("chromedriver runs; scripts/install-browser installs it");
        let port = wait_for("the driver", || {
            let said = std::fs::read_to_string(&log).ok()?;
            said.split("successfully on port ").nth(1)?.split('.').next()?.parse::<u16>().ok()
        });
        let options = json!({
            "goog:loggingPrefs": { "browser": "WARNING" },
            "goog:chromeOptions": {
                "args": [
                    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                    "--disable-background-networking", "--disable-component-update", "--disable-sync",
                    "--hide-scrollbars", format!("--user-data-dir={}", folder.path().join("profile").display()),
                ],
                // Narrower than any desktop window can be.
                "mobileEmulation": { "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1.0, "touch": width < 500, "mobile": width < 500 } },
            },
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let serde_json::Value::Object(options) = options else { unreachable!() };
        let connected = runtime.block_on(
            ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
                .capabilities(options)
                .connect(&format!("http://127.0.0.1:{port}")),
        );
        let client = connected.expect("a browser");
        Self { client, runtime, _driver: driver, _folder: folder }
    }

    pub(crate) fn go(&self, address: &str) {
        self.runtime.block_on(self.client.goto(address)).expect("a page");
    }

    /// Waits for an element that has this text.
    pub(crate) fn wait_for(&self, css: &str, text: &str) {
        let script = "const [css, text] = arguments; return [...document.querySelectorAll(css)].some(e => e.checkVisibility() && e.innerText.includes(text))";
        let mut seen = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(text, || {
                seen = self.script("return document.body.innerText", &[]).as_str().unwrap_or_default().to_owned();
                self.script(script, &[css, text]).as_bool().filter(|found| *found)
            })
        }));
        assert!(found.is_ok(), "waited in vain for `{text}` in {css}:\n{seen}");
    }

    fn script(&self, script: &str, arguments: &[&str]) -> serde_json::Value {
        let arguments = arguments.iter().map(|argument| json!(argument)).collect();
        self.runtime.block_on(self.client.execute(script, arguments)).expect("a script")
    }

    /// Clicks the first element that can be seen.
    fn click(&self, css: &str) {
        self.runtime.block_on(async {
            let element = || self.client.wait().at_most(LIMIT).for_element(Locator::Css(css));
            if element().await.expect("an element").click().await.is_err() {
                // It was another one by then.
                element().await.expect("an element").click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
            }
        });
    }

    fn write(&self, css: &str, text: &str) {
        self.runtime.block_on(async {
            let element = self.client.wait().at_most(LIMIT).for_element(Locator::Css(css)).await.expect("an element");
            element.send_keys(text).await.unwrap_or_else(|error| panic!("{css}: {error}"));
        });
    }

    /// Presses keys where the person is.
    fn press(&self, keys: &str) {
        self.runtime.block_on(async {
            let element = self.client.active_element().await.expect("an element");
            if element.send_keys(keys).await.is_err() {
                // It was gone by then; the person is somewhere else.
                self.client.active_element().await.expect("an element").send_keys(keys).await.expect("keys");
            }
        });
    }

    pub(crate) fn screenshot(&self) -> Vec<u8> {
        self.runtime.block_on(self.client.screenshot()).expect("a picture")
    }

    /// Keeps a picture, where somebody wants to look at it.
    fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("TEAMS_TEST_PICTURES") {
            std::fs::write(Path::new(&folder).join(format!("{name}.png")), self.screenshot()).expect("a file");
        }
    }

    /// Sees that the browser has complained of nothing: no script has failed, and nothing was kept from the page by its policy.
    pub(crate) fn has_no_complaint(&self) {
        assert_eq!(self.complaints(), json!([]));
    }

    fn complaints(&self) -> serde_json::Value {
        self.runtime.block_on(self.client.issue_cmd(ReadLog)).expect("its log")
    }
}

/// Reads what a browser writes down of its pages.
#[derive(Debug)]
struct ReadLog;

impl WebDriverCompatibleCommand for ReadLog {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with it, and its driver after that.
        let _ = self.runtime.block_on(self.client.clone().close());
    }
}

/// Comes in, sees a member work, answers it, writes to it, looks at the other tabs, and stops it.
fn a_person_lives_on_it(agent: Agent, width: u32, height: u32, name: &str) {
    let home = Home::of(agent);
    let member = home.team_of(agent, &[]);
    home.teams(&["task", "add", "Pick the plums", "--owner", "team-lead"]);
    home.teams(&["task", "add", "Cook them", "--blocked-by", "1"]);
    let page = Page::open(&home, &[]);
    let browser = Browser::open(width, height);
    let is_phone = width < 500;
    browser.go(&page.link);
    browser.wait_for("#list a", &member);
    browser.picture(&format!("{name}-all"));
    browser.click(&format!("#list a[href*='member={member}']"));
    browser.wait_for("#head h1", "idle");
    browser.write("#write", "please [[run touch made]]");
    match is_phone {
        true => browser.click(".write button"),
        // The Enter key, as WebDriver writes it.
        false => browser.write("#write", "\u{e007}"),
    }
    browser.wait_for(".question pre", "touch made");
    browser.wait_for("#news", "1 needs you");
    browser.picture(&format!("{name}-asks"));
    browser.click(".question button.allow");
    browser.wait_for("#head h1", "idle");
    wait_for("what it was allowed to do", || home.work().join("made").exists().then_some(()));
    // Another program's words come by themselves, as they are said.
    home.ask(&member, "[[say the **plums** are `ripe`]]");
    browser.wait_for("#transcript .said", "the plums are ripe");
    assert_eq!(
        browser.script("return document.querySelector('#transcript .said:last-of-type strong').textContent", &[]),
        "plums"
    );
    // What is written here goes on when something happens there.
    browser.write("#write", "not yet");
    browser.script(
        "window.told = []; window.Notification = class { static permission = 'granted'; constructor(...said) { told.push(said); } }",
        &[],
    );
    home.teams(&["send", &member, "[[run touch other]]"]);
    browser.wait_for(".question pre", "touch other");
    let told = browser.script("return window.told", &[]);
    assert!(told[0][0] == format!("crew/{member}") && told[0][1]["body"].to_string().contains("touch other"), "{told}");
    // Another question that comes while a reason is being written takes neither the words nor the place.
    browser.write(".question input[name=reason]", "not ");
    home.teams(&["spawn", "second", "--backend", agent.backend, "--model", agent.model()]);
    let team = format!("http://{}/?team=crew", page.host);
    browser.go(&team);
    browser.wait_for(".question pre", "touch other");
    browser.write(".question input[name=reason]", "not ");
    home.teams(&["send", "second", "[[run touch third]]"]);
    browser.wait_for(".question pre", "touch third");
    browser.press("now");
    let half = "const field = document.activeElement; return field.name + ': ' + field.value";
    assert_eq!(browser.script(half, &[]), "reason: not now");
    browser.press("\u{e007}");
    wait_for("the answer", || {
        let open = home.json(&["approvals"]);
        (open.as_array().map(Vec::len) == Some(1) && open[0]["member"] == "second").then_some(())
    });
    // Whoever wants no keys does not have them, on any page.
    let keys_by_a_click = || {
        browser.click("#keys");
        browser.click("#help input");
        browser.click("#help button");
        browser.script("document.activeElement.blur()", &[]);
    };
    keys_by_a_click();
    browser.go(&team);
    browser.wait_for(".question pre", "touch third");
    browser.press("?");
    browser.press("n");
    let where_it_is = "return document.querySelector('#help') === null && !document.activeElement.closest('.question')";
    assert_eq!(browser.script(where_it_is, &[]), true);
    keys_by_a_click();
    // Keys answer the question that the person is in.
    browser.script("document.activeElement.blur()", &[]);
    browser.press("a");
    browser.wait_for("#said", "Go to the question first");
    browser.press("n");
    wait_for("the key", || {
        browser.press("a");
        home.json(&["approvals"]).as_array().is_some_and(Vec::is_empty).then_some(())
    });
    wait_for("what it was allowed to do", || home.work().join("third").exists().then_some(()));
    browser.go(&format!("http://{}/?team=crew&member={member}", page.host));
    browser.wait_for("#head h1", "idle");
    assert!(!home.work().join("other").exists());
    assert_eq!(browser.script("return document.querySelector('#write').value", &[]), "not yet");
    browser.picture(&format!("{name}-transcript"));
    browser.script("document.activeElement.blur()", &[]);
    if is_phone {
        browser.click(".tabs a[href*='tab=tasks']");
    } else {
        browser.press("2");
    }
    browser.wait_for(".tasks", "Pick the plums");
    home.teams(&["task", "add", "Eat them"]);
    browser.wait_for(".tasks", "Eat them");
    for (tab, css, text) in [
        ("graph", "svg.tasks", "#2 Cook them"),
        ("budget", ".used", "Turns"),
        ("timeline", "svg.timeline", &member),
        ("mail", "#page", "inbox"),
    ] {
        browser.click(&format!(".tabs a[href*='tab={tab}']"));
        match tab {
            // Text of a picture is no text of the page.
            "graph" | "timeline" => wait_for(text, || {
                let script = "return [...document.querySelectorAll(arguments[0])].some(e => e.textContent.includes(arguments[1]))";
                browser.script(script, &[css, text]).as_bool().filter(|found| *found)
            }).then_some(()).expect("a picture"),
            _ => browser.wait_for(css, text),
        }
        browser.picture(&format!("{name}-{tab}"));
    }
    // Nothing is wider than the window.
    assert_eq!(browser.script("return document.documentElement.scrollWidth <= innerWidth", &[]), true);
    browser.script("window.confirm = () => true", &[]);
    browser.click("form[action='/stop'] button");
    browser.wait_for("#head h1", "exited");
    browser.has_no_complaint();
    // Whatever found a way into the page could load nothing from elsewhere, and run nothing.
    let elsewhere = "<img src='http://127.0.0.1:9/x.png'><a onclick='window.ran = true' id=evil>x</a>";
    browser.script("document.body.insertAdjacentHTML('beforeend', arguments[0]); evil.click()", &[elsewhere]);
    wait_for("what the policy keeps out", || {
        let complaints = browser.complaints().to_string();
        (complaints.contains("img-src") && complaints.contains("script-src")).then_some(())
    });
    assert_eq!(browser.script("return window.ran ?? null", &[]), serde_json::Value::Null);
}

#[test]
#[ignore = "needs Chromium and its driver; run scripts/test"]
fn a_person_lives_on_it_with_a_simulated_agent() {
    a_person_lives_on_it(Agent { backend: "claude", real: false }, 1280, 800, "desktop");
}

#[test]
#[ignore = "needs Chromium and its driver; run scripts/test"]
fn a_person_lives_on_it_on_a_phone() {
    a_person_lives_on_it(Agent { backend: "claude", real: false }, 390, 844, "phone");
}

#[test]
#[ignore = "needs Chromium and the real agent CLIs; run scripts/test"]
fn a_person_lives_on_it_with_real_agents() {
    for backend in ["claude", "codex"] {
        a_person_lives_on_it(Agent { backend, real: true }, 1280, 800, &format!("real-{backend}"));
    }
}
