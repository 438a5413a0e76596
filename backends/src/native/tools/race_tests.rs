//! A folder that is exchanged for a link that leads out, again and again, while the tools use it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::testing::{Playground, SECRET};

/// Exchanges two names until it is told to stop; answers how often.
fn exchange(one: &Path, other: &Path, stop: &AtomicBool) -> usize {
    let spare = one.with_extension("spare");
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        {
            use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
            let _ = &spare;
            renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE).unwrap();
        }
        #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
        {
            std::fs::rename(one, &spare).unwrap();
            std::fs::rename(other, one).unwrap();
            std::fs::rename(&spare, other).unwrap();
        }
        count += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_outside_is_read_or_written_however_links_are_exchanged() {
    let play = Playground::one();
    play.write("work/a/secret.txt", "mine");
    play.write("work/a/deep/secret.txt", "mine");
    play.write("work/plain", "mine");
    play.link(play.path("outside"), "work/other");
    play.link(play.path("outside/secret.txt"), "work/file");
    std::fs::create_dir(play.path("work/out")).unwrap();
    // `a` is a folder or a link to `outside`, `plain` a file or a link to one there.
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = [("work/a", "work/other"), ("work/plain", "work/file")]
        .map(|(one, other)| {
            let (one, other, stop) = (play.path(one), play.path(other), Arc::clone(&stop));
            std::thread::spawn(move || exchange(&one, &other, &stop))
        })
        .into();
    let calls = [
        ("read_file", json!({ "path": "a/secret.txt" })),
        ("read_file", json!({ "path": "a/../a/deep/secret.txt" })),
        ("read_file", json!({ "path": "plain" })),
        ("read_file", json!({ "path": play.path("work/a/secret.txt") })),
        ("write_file", json!({ "path": "a/written", "content": "w" })),
        ("write_file", json!({ "path": "a/new/folder/written", "content": "w" })),
        ("write_file", json!({ "path": "a/folder/written", "content": "w" })),
        ("write_file", json!({ "path": "plain", "content": "mine" })),
        ("edit_file", json!({ "path": "a/secret.txt", "old_text": "the secret", "new_text": "mine" })),
        ("edit_file", json!({ "path": "a/deep/secret.txt", "old_text": "mine", "new_text": "Mine" })),
        ("edit_file", json!({ "path": "a/deep/secret.txt", "old_text": "Mine", "new_text": "mine" })),
        ("list_directory", json!({ "path": "a", "depth": 4 })),
        ("list_directory", json!({ "path": ".", "depth": 4 })),
        ("search_files", json!({ "pattern": "secret of" })),
        ("search_files", json!({ "path": "a", "pattern": "secret of", "glob": "*.txt" })),
    ];
    let (mut done, mut refused) = (0, AtomicUsize::new(0));
    let end = Instant::now() + Duration::from_secs(6);
    while Instant::now() < end {
        for (tool, arguments) in &calls {
            match play.call(tool, arguments.clone()).await {
                Ok(Value::String(answer)) => {
                    assert!(!answer.contains(SECRET), "{tool} {arguments}: {answer}");
                    // That would be the listing of `outside`.
                    assert!(
                        !answer.contains(&format!("secret.txt  {} bytes", SECRET.len())),
                        "{tool} {arguments}: {answer}"
                    );
                    done += 1;
                }
                Ok(other) => panic!("{other}"),
                Err(error) => {
                    assert!(!error.contains(SECRET), "{error}");
                    *refused.get_mut() += 1;
                }
            }
            let shown = play.tools.get(tool).unwrap().describe(arguments);
            assert!(!format!("{shown:?}").contains(SECRET), "{shown:?}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    let exchanged: Vec<usize> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    eprintln!("{done} calls were done and {} refused, during {exchanged:?} exchanges", refused.get_mut());
    assert!(done > 100 && *refused.get_mut() > 10, "nothing was tried");
    play.assert_outside_untouched();
}
