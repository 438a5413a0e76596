//! What must not get out of the roots, tried with every tool that takes a path.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::testing::{Playground, SECRET};
use crate::native::roots::Roots;

/// Tries a path with each tool; answers what was said.
async fn everything(play: &Playground, path: &str) -> Vec<Result<Value, String>> {
    let calls = [
        ("read_file", json!({ "path": path })),
        ("write_file", json!({ "path": path, "content": "written" })),
        ("edit_file", json!({ "path": path, "old_text": SECRET, "new_text": "edited" })),
        ("list_directory", json!({ "path": path, "depth": 3 })),
        ("search_files", json!({ "path": path, "pattern": "secret" })),
        ("search_files", json!({ "path": path, "glob": "*" })),
    ];
    let mut answers = Vec::new();
    for (tool, arguments) in calls {
        // What a person is shown must not get out either, nor wait.
        let shown = play.tools.get(tool).unwrap().describe(&arguments);
        assert!(
            !format!("{:?}", shown.change.and_then(|change| change.old.filter(|_| tool == "write_file")))
                .contains(SECRET)
        );
        let answer = timeout(Duration::from_secs(20), play.call(tool, arguments)).await;
        answers.push(answer.unwrap_or_else(|_| panic!("{tool} hangs with {path}")));
    }
    answers
}

async fn assert_refused(play: &Playground, path: &str) {
    for answer in everything(play, path).await {
        let error = answer.expect_err(path);
        assert!(!error.contains(SECRET), "{path}: {error}");
        assert!(error.contains("outside of") || error.contains("leads out of"), "{path}: {error}");
    }
    play.assert_outside_untouched();
}

#[tokio::test]
async fn paths_that_lead_out_are_refused() {
    for play in [Playground::one(), Playground::two()] {
        play.write("work/a/file", "inside");
        let absolute = play.path("outside/secret.txt").display().to_string();
        let climbing = play.path("work/../outside/secret.txt").display().to_string();
        let beside = format!("{}side", play.path("work").display());
        for path in [
            "..",
            "../outside/secret.txt",
            "a/../../outside/secret.txt",
            "./a/./../../outside/secret.txt",
            "a/../..",
            "/",
            "/etc/passwd",
            "//etc/passwd",
            "/proc/self/environ",
            "/proc/self/root/etc/passwd",
            "/proc/self/cwd",
            "/dev/zero",
            &absolute,
            &climbing,
            &beside,
        ] {
            assert_refused(&play, path).await;
        }
    }
}

#[tokio::test]
async fn links_that_lead_out_are_refused() {
    let play = Playground::one();
    play.write("work/a/file", "inside");
    play.link(play.path("outside/secret.txt"), "work/file");
    play.link(play.path("outside"), "work/folder");
    play.link("../outside/secret.txt", "work/relative");
    play.link("../../outside", "work/a/deep");
    play.link("relative", "work/second");
    play.link("second", "work/third");
    play.link("a/deep", "work/chain");
    play.link("..", "work/up");
    play.link("a/../../outside", "work/winding");
    play.link("/proc/self/root", "work/root");
    play.link("/proc/self/environ", "work/environ");
    play.link("/proc/self/cwd", "work/cwd");
    play.link("/dev/zero", "work/zero");
    play.link(format!("{}/../outside", play.path("work").display()), "work/absolute");
    let root = play.path("work").display().to_string();
    for path in [
        "file",
        "folder",
        "folder/secret.txt",
        "folder/folder/../secret.txt",
        "folder/new",
        "folder/new/new",
        "relative",
        "a/deep/secret.txt",
        "second",
        "third",
        "chain/secret.txt",
        "up/outside/secret.txt",
        "winding/secret.txt",
        "root/etc/passwd",
        "environ",
        "cwd/Cargo.toml",
        "zero",
        "absolute/secret.txt",
        &format!("{root}/folder/secret.txt"),
    ] {
        for answer in everything(&play, path).await {
            let error = answer.expect_err(path);
            assert!(!error.contains(SECRET) && error.contains("leads out of"), "{path}: {error}");
        }
        play.assert_outside_untouched();
    }
    // A search of all passes them by, and a listing says what they are.
    assert_eq!(play.text("search_files", json!({ "pattern": "." })).await.unwrap(), "a/file:1:inside\n");
    let listing = play.text("list_directory", json!({ "depth": 9 })).await.unwrap();
    assert!(listing.contains("folder -> /") && !listing.contains("secret.txt  "), "{listing}");
}

#[tokio::test]
async fn links_that_stay_inside_are_followed() {
    let play = Playground::one();
    play.write("work/a/file", "one");
    play.link("a/file", "work/file");
    play.link(play.path("work/a"), "work/absolute");
    play.link("../a", "work/a/again");
    play.link(play.path("work/a/file"), "work/named");
    play.link("a/new", "work/dangling");
    for path in ["file", "absolute/file", "a/again/file", "named", "a/../file", "a/again/../file"] {
        assert_eq!(play.text("read_file", json!({ "path": path })).await.as_deref(), Ok("one"), "{path}");
    }
    for (path, text) in [("file", "two"), ("absolute/file", "three"), ("named", "four"), ("a/again/again/file", "five")]
    {
        play.text("write_file", json!({ "path": path, "content": text })).await.unwrap();
        assert_eq!(play.read("work/a/file"), text, "{path}");
    }
    let error = play.text("read_file", json!({ "path": "dangling" })).await.unwrap_err();
    assert!(error.contains("a link to something that is not there"), "{error}");
    play.text("write_file", json!({ "path": "dangling", "content": "new" })).await.unwrap();
    assert_eq!(play.read("work/a/new"), "new");
    for link in ["work/file", "work/named", "work/dangling", "work/absolute"] {
        assert!(play.path(link).is_symlink(), "{link}");
    }
    // A circle ends, and another name of a file of somebody else's is left behind instead of written through.
    play.link("circle", "work/circle");
    assert!(everything(&play, "circle").await.iter().all(Result::is_err));
    std::fs::hard_link(play.path("outside/secret.txt"), play.path("work/hard")).unwrap();
    play.text("write_file", json!({ "path": "hard", "content": "mine" })).await.unwrap();
    play.assert_outside_untouched();
}

#[tokio::test]
async fn what_is_no_file_is_refused_and_keeps_nobody_waiting() {
    let play = Playground::one();
    mkfifo(&play.path("work/fifo"), Mode::S_IRWXU).unwrap();
    mkfifo(&play.path("work/.gitignore"), Mode::S_IRWXU).unwrap();
    std::fs::create_dir(play.path("work/sub")).unwrap();
    play.link("/dev/zero", "work/sub/.gitignore");
    play.link("fifo", "work/link");
    play.write("work/sub/file", "text");
    let _socket = UnixListener::bind(play.path("work/socket")).unwrap();
    for (path, what) in [("fifo", "a FIFO"), ("link", "a FIFO"), ("socket", "a socket"), (".gitignore", "a FIFO")] {
        let answers = everything(&play, path).await;
        for answer in &answers {
            let error = answer.as_ref().expect_err(path);
            assert!(error.contains(what) || error.contains("would have to be a folder"), "{path}: {error}");
        }
    }
    let found = timeout(Duration::from_secs(10), play.text("search_files", json!({ "pattern": "text" }))).await;
    assert_eq!(found.unwrap().unwrap(), "sub/file:1:text\n");
    let listing = play.text("list_directory", json!({})).await.unwrap();
    assert_eq!(listing, ".gitignore  (a FIFO)\nfifo  (a FIFO)\nlink -> fifo\nsocket  (a socket)\nsub/\n");
}

#[tokio::test]
#[cfg_attr(not(all(target_os = "linux", not(teams_portable))), ignore = "only Linux has such files")]
async fn files_of_the_kernel_are_refused_whatever_the_root_is() {
    let roots = Roots::new("/", "/tmp").unwrap();
    let tools = super::builtin(&roots, super::CommandLimits::default());
    let read = tools.get("read_file").unwrap();
    for path in [
        "/proc/self/environ",
        "/proc/version",
        "proc/self/root/etc/passwd",
        "proc/self/cwd/Cargo.toml",
        "/dev/zero",
        "/dev/tty",
        "/proc/self/fd/0",
    ] {
        let answer = timeout(Duration::from_secs(10), read.execute(json!({ "path": path }))).await.unwrap();
        assert!(answer.is_err(), "{path}: {answer:?}");
    }
    // It is that, and not something else, for which they are refused.
    assert!(read.execute(json!({ "path": "/etc/passwd" })).await.is_ok());
}

#[tokio::test]
async fn hard_names_are_names_or_clear_errors() {
    let play = Playground::one();
    let long = "x".repeat(5000);
    let deep = "d/".repeat(3000);
    for (path, expected) in [
        ("", "the path is empty"),
        ("a\0b", "NUL"),
        (&*long, "File name too long"),
        (&*deep, "File name too long"),
        ("nothing/here", "there is no `nothing/here`"),
        ("line\nbreak\u{202e}", "there is no `line\\nbreak\\u{202e}`"),
    ] {
        let error = play.text("read_file", json!({ "path": path })).await.unwrap_err();
        assert!(error.contains(expected) && error.len() < 1000, "{path:.20}: {error}");
    }
    for path in ["", "a\0b", &*long, ".", "work/", "a/..", "a/."] {
        let answer = play.text("write_file", json!({ "path": path, "content": "" })).await;
        assert!(answer.is_err() || path == "a/.", "{path:.20}: {answer:?}");
    }
    for name in ["line\nbreak", "-rf", "~", "$HOME", "ü 'q'", "%2e%2e", "...", "..a", "\\..\\x"] {
        play.text("write_file", json!({ "path": name, "content": name })).await.unwrap();
        assert_eq!(play.text("read_file", json!({ "path": name })).await.as_deref(), Ok(name));
        assert_eq!(play.read(&format!("work/{name}")), name);
    }
    let listing = play.text("list_directory", json!({})).await.unwrap();
    assert!(listing.contains("line\\nbreak  10 bytes\n"), "{listing}");
    play.assert_outside_untouched();
}
