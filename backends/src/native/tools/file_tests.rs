use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::{Value, json};

use super::testing::Playground;

async fn read(play: &Playground, arguments: Value) -> String {
    play.text("read_file", arguments).await.unwrap()
}

#[tokio::test]
async fn a_long_file_is_read_in_parts() {
    let play = Playground::one();
    let lines: String = (1..=5120).map(|number| format!("line {number}\n")).collect();
    play.write("work/long", &lines);
    let first = read(&play, json!({ "path": "long" })).await;
    assert!(first.starts_with("line 1\n") && first.contains("\nline 2000\n") && !first.contains("line 2001\n"));
    assert!(first.ends_with("[lines 1-2000 of 5120; go on with offset 2001]\n"), "{}", &first[first.len() - 100..]);
    let part = read(&play, json!({ "path": "long", "offset": 5119, "limit": 5 })).await;
    assert_eq!(part, "line 5119\nline 5120\n[lines 5119-5120 of 5120]\n");
    let part = read(&play, json!({ "path": "long", "offset": 7, "limit": 1 })).await;
    assert_eq!(part, "line 7\n[lines 7-7 of 5120; go on with offset 8]\n");
    let error = play.text("read_file", json!({ "path": "long", "offset": 6000 })).await.unwrap_err();
    assert!(error.contains("has 5120 lines; there is none with the number 6000"), "{error}");
    play.write("work/empty", "");
    assert_eq!(read(&play, json!({ "path": "empty" })).await, "[the file is empty]");
    play.write("work/short", "no end");
    assert_eq!(read(&play, json!({ "path": "short" })).await, "no end");
}

#[tokio::test]
async fn what_is_read_is_bounded_and_says_so() {
    let play = Playground::one();
    play.write("work/wide", format!("{}\nnext\n", "ü".repeat(5_000_000)));
    let wide = read(&play, json!({ "path": "wide" })).await;
    assert!(wide.len() < 21_000 && wide.contains("…\nnext\n"), "{}", wide.len());
    assert!(wide.ends_with("[line 1 has 10000001 bytes, of which the first 20000 are shown]\n"));
    play.write("work/large", format!("{}\n", "x".repeat(999)).repeat(2000));
    let large = read(&play, json!({ "path": "large" })).await;
    assert!(large.len() < (256 << 10) + 100 && large.ends_with("[lines 1-262 of 2000; go on with offset 263]\n"));
    // One that has no end to speak of takes no room, and no time.
    std::fs::File::create(play.path("work/sparse")).unwrap().set_len(1 << 40).unwrap();
    let error = play.text("read_file", json!({ "path": "sparse" })).await.unwrap_err();
    assert!(error.contains("is a binary file of 1099511627776 bytes"), "{error}");
    play.write("work/late", [b"text\n".repeat(5000), b"\0".to_vec()].concat());
    assert!(read(&play, json!({ "path": "late", "limit": 3 })).await.starts_with("text\ntext\ntext\n["));
    let error = play.text("read_file", json!({ "path": "late", "offset": 4000 })).await.unwrap_err();
    assert!(error.contains("(a NUL in line 5001)"), "{error}");
}

#[tokio::test]
async fn bytes_that_are_no_text_and_other_ends_of_lines_are_said() {
    let play = Playground::one();
    play.write("work/latin", b"caf\xe9\n");
    let latin = read(&play, json!({ "path": "latin" })).await;
    assert_eq!(latin, "caf\u{fffd}\n[some bytes are no UTF-8; each of them is shown as U+FFFD]\n");
    play.write("work/windows", "\u{feff}a\r\nb\r\n");
    let windows = read(&play, json!({ "path": "windows" })).await;
    assert!(windows.starts_with("a\nb\n[its lines end in CR LF") && windows.contains("byte order mark"), "{windows}");
    play.write("work/mixed", "a\r\nb\n");
    assert_eq!(read(&play, json!({ "path": "mixed" })).await, "a\r\nb\n");
}

#[tokio::test]
async fn what_the_agent_has_written_is_read_before_the_source() {
    let play = Playground::two();
    play.write("source/both", "source");
    play.write("source/a/only", "source");
    play.write("work/a", "a file where the source has a folder");
    assert_eq!(read(&play, json!({ "path": "both" })).await, "source");
    play.text("write_file", json!({ "path": "both", "content": "work" })).await.unwrap();
    assert_eq!(read(&play, json!({ "path": "both" })).await, "work");
    assert_eq!(read(&play, json!({ "path": "a/only" })).await, "source");
    assert_eq!(read(&play, json!({ "path": play.path("source/both") })).await, "source");
    assert_eq!(read(&play, json!({ "path": play.path("work/both") })).await, "work");
    assert_eq!(play.read("source/both"), "source");
    for (tool, arguments) in [
        ("edit_file", json!({ "path": "a/only", "old_text": "s", "new_text": "t" })),
        ("edit_file", json!({ "path": play.path("source/both"), "old_text": "source", "new_text": "t" })),
        ("write_file", json!({ "path": play.path("source/both"), "content": "t" })),
    ] {
        let error = play.text(tool, arguments).await.unwrap_err();
        assert!(
            error.contains("only in the source root") || error.contains("on the side that is only read"),
            "{error}"
        );
    }
    let listing = play.text("list_directory", json!({})).await.unwrap();
    assert!(
        listing.contains("source:\na/\nboth  6 bytes\nin ") && listing.ends_with("work:\na  36 bytes\nboth  4 bytes\n"),
        "{listing}"
    );
    let listing = play.text("list_directory", json!({ "path": "a" })).await.unwrap();
    assert_eq!(listing, "only  6 bytes\n");
}

#[tokio::test]
async fn a_file_is_written_whole_and_keeps_its_mode() {
    let play = Playground::one();
    let answer = play.text("write_file", json!({ "path": "new/folder/file", "content": "ä" })).await.unwrap();
    assert_eq!(answer, "created new/folder/file (2 bytes)");
    let path = play.path("work/new/folder/file");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o750)).unwrap();
    let before = path.metadata().unwrap();
    let reader = std::fs::File::open(&path).unwrap();
    let answer = play.text("write_file", json!({ "path": "new/folder/file", "content": "" })).await.unwrap();
    assert_eq!(answer, "overwrote new/folder/file (0 bytes)");
    let after = path.metadata().unwrap();
    assert_eq!((after.mode() & 0o7777, after.len()), (0o750, 0));
    assert!(before.ino() != after.ino() && std::io::read_to_string(reader).unwrap() == "ä");
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o444)).unwrap();
    for (path, expected) in [
        ("new/folder/file", "is write-protected"),
        ("new/folder", "is a folder"),
        ("new/folder/file/x", "would have to be a folder"),
        ("new/folder/file/x/y", "would have to be a folder"),
        (".", "is a folder"),
    ] {
        let error = play.text("write_file", json!({ "path": path, "content": "x" })).await.unwrap_err();
        assert!(error.contains(expected), "{path}: {error}");
    }
}

#[tokio::test]
async fn an_edit_changes_one_place_and_nothing_else() {
    let play = Playground::one();
    let edit = async |file: &str, old: &str, new: &str| {
        play.text("edit_file", json!({ "path": file, "old_text": old, "new_text": new })).await
    };
    play.write("work/plain", b"one two\nthree \xff two\nno end");
    assert_eq!(edit("plain", "one two", "one 2").await.as_deref(), Ok("edited plain in 1 place"));
    edit("plain", "\nno", "\n\nno").await.unwrap();
    assert_eq!(std::fs::read(play.path("work/plain")).unwrap(), b"one 2\nthree \xff two\n\nno end");
    play.write("work/windows", "\u{feff}a\r\nb\r\nc");
    edit("windows", "a\nb", "a\nx\nb").await.unwrap();
    edit("windows", "x\r\nb", "y").await.unwrap();
    edit("windows", "c", "c\nd").await.unwrap();
    assert_eq!(play.read("work/windows"), "\u{feff}a\r\ny\r\nc\r\nd");
    play.write("work/mixed", "a\r\nb\nc\n");
    edit("mixed", "b\nc", "B\nC").await.unwrap();
    edit("mixed", "a\nB", "A\nB").await.unwrap();
    assert_eq!(play.read("work/mixed"), "A\r\nB\nC\n");
    play.write("work/often", "aaa b b");
    for (old, new, expected) in [
        ("b", "c", "occurs 2 times"),
        ("aa", "c", "occurs 2 times"),
        ("x", "c", "does not occur"),
        ("", "c", "`old_text` is empty"),
        ("b", "b", "are the same"),
    ] {
        let error = edit("often", old, new).await.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let all = json!({ "path": "often", "old_text": "b", "new_text": "bb", "replace_all": true });
    assert_eq!(play.text("edit_file", all).await.as_deref(), Ok("edited often in 2 places"));
    assert_eq!(play.read("work/often"), "aaa bb bb");
    let error = edit("none", "a", "b").await.unwrap_err();
    assert!(error.contains("there is no `none`"), "{error}");
}

#[tokio::test]
async fn edits_at_the_same_time_are_all_made() {
    let play = Playground::one();
    play.write("work/file", (0..20).map(|number| format!("<{number}>")).collect::<String>());
    let tool = play.tools.get("edit_file").unwrap();
    let mut edits = Vec::new();
    for number in 0..20 {
        let tool = std::sync::Arc::clone(tool);
        let arguments = json!({ "path": "file", "old_text": format!("<{number}>"), "new_text": format!("({number})") });
        edits.push(tokio::spawn(async move { tool.execute(arguments).await }));
    }
    for edit in edits {
        edit.await.unwrap().unwrap();
    }
    assert_eq!(play.read("work/file"), (0..20).map(|number| format!("({number})")).collect::<String>());
}

#[tokio::test]
async fn a_person_is_shown_what_a_call_comes_to() {
    let play = Playground::one();
    play.write("work/file", "old text");
    play.write("work/large", "x".repeat(300 << 10));
    let describe = |tool: &str, arguments: Value| play.tools.get(tool).unwrap().describe(&arguments);
    let shown = describe("write_file", json!({ "path": "file", "content": "new" }));
    let change = shown.change.unwrap();
    assert_eq!(
        (shown.title.as_str(), change.old.as_deref(), change.new.as_str()),
        ("overwrite file (3 bytes)", Some("old text"), "new")
    );
    let shown = describe("write_file", json!({ "path": "a/b", "content": "new" }));
    assert_eq!((shown.title.as_str(), shown.change.unwrap().old), ("create a/b (3 bytes)", None));
    let shown = describe("write_file", json!({ "path": "large", "content": "new" }));
    assert_eq!((shown.title.as_str(), shown.change), ("write large (3 bytes), now a file of 307200 bytes", None));
    let shown = describe("write_file", json!({ "path": "../x", "content": "new" }));
    assert!(shown.title.contains("which will fail") && shown.change.is_none(), "{shown:?}");
    let shown = describe("edit_file", json!({ "path": "file", "old_text": "old", "new_text": "new" }));
    assert_eq!((shown.title.as_str(), shown.change.unwrap().new.as_str()), ("edit file in 1 place", "new text"));
    let shown = describe("edit_file", json!({ "path": "file", "old_text": "none", "new_text": "new" }));
    assert!(shown.title.contains("which will fail: `old_text` does not occur"), "{shown:?}");
    let shown = describe("read_file", json!({ "path": "a\nb" }));
    assert_eq!(shown.title, "read a\\nb");
    let shown = describe("write_file", json!({ "path": 5 }));
    assert_eq!(shown.title, "write_file {\"path\":5}");
}
