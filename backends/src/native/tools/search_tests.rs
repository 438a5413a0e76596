use std::time::Duration;

use serde_json::{Value, json};

use super::testing::Playground;

async fn search(play: &Playground, arguments: Value) -> String {
    play.text("search_files", arguments).await.unwrap()
}

fn tree() -> Playground {
    let play = Playground::one();
    play.write("work/.gitignore", "target/\n*.log\n!keep.log\n");
    play.write("work/src/.gitignore", "/made.rs\n");
    for name in [
        "src/a.rs",
        "src/b.rs",
        "src/made.rs",
        "src/deep/made.rs",
        "target/x.rs",
        "x.log",
        "keep.log",
        ".hidden.rs",
        ".git/config",
    ] {
        play.write(&format!("work/{name}"), format!("first\nfn {}\nlast\n", name.replace('/', "_")));
    }
    play.write("work/binary.rs", b"fn \0 binary\n");
    play
}

#[tokio::test]
async fn files_are_found_by_name_in_order_and_as_gitignore_says() {
    let play = tree();
    assert_eq!(search(&play, json!({ "glob": "*.rs" })).await, "binary.rs\nsrc/a.rs\nsrc/b.rs\nsrc/deep/made.rs\n");
    assert_eq!(search(&play, json!({ "glob": "*.log" })).await, "keep.log\n");
    assert_eq!(search(&play, json!({ "glob": "src/*.{rs,c}" })).await, "src/a.rs\nsrc/b.rs\n");
    assert_eq!(search(&play, json!({ "glob": "*.rs", "path": "src/deep" })).await, "src/deep/made.rs\n");
    assert_eq!(search(&play, json!({ "glob": "/deep/*", "path": "src" })).await, "src/deep/made.rs\n");
    // What is named is searched, whatever the rules above it say of it.
    assert_eq!(search(&play, json!({ "glob": "*.rs", "path": "target" })).await, "target/x.rs\n");
    assert_eq!(
        search(&play, json!({ "glob": "*.RS", "case_sensitive": false, "path": "src/deep" })).await,
        "src/deep/made.rs\n"
    );
    assert_eq!(search(&play, json!({ "glob": ".h*" })).await, "[nothing was found in 0 files]\n");
    assert_eq!(search(&play, json!({ "glob": ".h*", "hidden": true })).await, ".hidden.rs\n");
    assert!(!search(&play, json!({ "glob": "*", "hidden": true })).await.contains(".git/"));
}

#[tokio::test]
async fn lines_are_found_with_those_around_them() {
    let play = tree();
    let found = search(&play, json!({ "pattern": r"^fn \w+", "glob": "*.rs" })).await;
    assert_eq!(found, "src/a.rs:2:fn src_a.rs\nsrc/b.rs:2:fn src_b.rs\nsrc/deep/made.rs:2:fn src_deep_made.rs\n");
    let found = search(&play, json!({ "pattern": "FN src_[ab]", "case_sensitive": false, "context": 1 })).await;
    let expected = "src/a.rs-1-first\nsrc/a.rs:2:fn src_a.rs\nsrc/a.rs-3-last\n--\nsrc/b.rs-1-first\nsrc/b.rs:2:fn src_b.rs\nsrc/b.rs-3-last\n";
    assert_eq!(found, expected);
    assert_eq!(search(&play, json!({ "pattern": "last$", "path": "src/a.rs" })).await, "src/a.rs:3:last\n");
    assert_eq!(search(&play, json!({ "pattern": "binary" })).await, "[nothing was found in 5 files]\n");
    for (arguments, expected) in [
        (json!({}), "neither `glob` nor `pattern`"),
        (json!({ "pattern": "(" }), "`pattern` is no regular expression"),
        (json!({ "pattern": "a\nb" }), "`pattern` is no regular expression"),
        (json!({ "pattern": "((a{100}){100}){100}" }), "`pattern` is no regular expression"),
        (json!({ "glob": "[" }), "`glob` cannot be read"),
        (json!({ "pattern": "x", "path": "none" }), "there is no `none`"),
        (json!({ "pattern": "x", "case_sensitive": 1 }), "`case_sensitive` is to be true or false"),
    ] {
        let error = play.text("search_files", arguments).await.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn what_is_found_is_bounded() {
    let play = Playground::one();
    play.write("work/many", "match\n".repeat(1000));
    play.write("work/wide", format!("{}needle{}\r\n", "x".repeat(100_000), "y".repeat(100_000)));
    let found = search(&play, json!({ "pattern": "match" })).await;
    assert_eq!(found.lines().filter(|line| line.starts_with("many:")).count(), 200);
    assert!(found.ends_with("[the first 200 matches are shown, and there are more; search for less]\n"));
    let found = search(&play, json!({ "pattern": "needle" })).await;
    assert!(
        found.len() < 600 && found.contains("xxneedleyy") && found.starts_with("wide:1:…x") && found.ends_with("y…\n"),
        "{found}"
    );
    for number in 0..1001 {
        play.write(&format!("work/files/{number}"), "");
    }
    let found = search(&play, json!({ "glob": "*", "path": "files" })).await;
    assert!(found.lines().count() == 1001 && found.contains("[the first 1000 files are shown"), "{found}");
}

#[tokio::test]
async fn both_roots_are_searched_and_each_file_once() {
    let play = Playground::two();
    play.write("source/a", "word");
    play.write("work/a", "word");
    let (source, work) = (play.path("source").canonicalize().unwrap(), play.path("work").canonicalize().unwrap());
    let expected = format!("in {}:\na:1:word\nin {}:\na:1:word\n", source.display(), work.display());
    assert_eq!(search(&play, json!({ "pattern": "word" })).await, expected);
    let absolute = play.path("source");
    assert_eq!(search(&play, json!({ "pattern": "word", "path": absolute })).await, "a:1:word\n");

    let roots = crate::native::roots::Roots::new(&source, source.join("out")).unwrap_err();
    assert!(roots.to_string().contains("the working directory"), "{roots}");
    play.write("source/out/b", "word");
    let roots = crate::native::roots::Roots::new(&source, source.join("out")).unwrap();
    let tools = super::builtin(&roots, super::CommandLimits::default());
    let found = tools.get("search_files").unwrap().execute(json!({ "pattern": "word" })).await.unwrap();
    assert_eq!(found.as_str().unwrap().matches(":1:word").count(), 2, "{found}");
}

#[tokio::test]
async fn a_search_that_nobody_waits_for_ends() {
    let play = Playground::one();
    // Nothing is ever found in it, and it is far too long to be read meanwhile.
    let endless = std::fs::File::create(play.path("work/endless")).unwrap();
    let line = "x".repeat(1023) + "\n";
    std::io::Write::write_all(&mut &endless, line.repeat(64 << 10).as_bytes()).unwrap();
    for number in 0..200 {
        std::fs::hard_link(play.path("work/endless"), play.path(&format!("work/{number}"))).unwrap();
    }
    let call = play.text("search_files", json!({ "pattern": "(a|b|x)*y" }));
    assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
    // The runtime waits for its blocking threads when it goes, so this test would not end.
}
