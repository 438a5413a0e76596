use std::time::Duration;

use serde_json::Value;

use super::*;

pub(super) struct Inbox {
    _dir: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) team: TeamName,
    pub(super) lead: AgentName,
    pub(super) path: PathBuf,
}

pub(super) fn inbox() -> Inbox {
    let dir = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(dir.path()).unwrap();
    let store = Store::new(root.join("teams"), root.join("tasks"), root.join("locks"));
    let team: TeamName = "t".parse().unwrap();
    store.create_team(&team, None, Path::new("/"), 1).unwrap();
    Inbox { store, team, lead: AgentName::lead(), path: root.join("teams/t/inboxes/team-lead.json"), _dir: dir }
}

impl Inbox {
    fn add(&self, texts: &[&str]) {
        let mut messages: Vec<Message> = texts.iter().map(|text| new_message("w", text, None, None)).collect();
        self.store.append_messages(&self.team, &self.lead, &mut messages, jiff::Timestamp::now()).unwrap();
    }

    pub(super) fn unread(&self) -> usize {
        self.store.unread(&self.team, &self.lead).unwrap()
    }

    /// What is known of the file as it is, so that nobody has to read it.
    fn kept(&self) -> Option<usize> {
        let stamp = Stamp::of(&fs::metadata(&self.path).unwrap());
        self.store.inbox_cache.get(&self.path, stamp)?.unread
    }
}

#[test]
fn what_we_write_ourselves_is_counted_without_reading() {
    let inbox = inbox();
    assert_eq!(inbox.unread(), 0, "there is no inbox yet");
    inbox.add(&["a", "b"]);
    inbox.add(&["c"]);
    assert_eq!((inbox.kept(), inbox.unread()), (Some(3), 3));
    inbox.store.take_messages(&inbox.team, &inbox.lead, |message| message.text == "b").unwrap();
    assert_eq!((inbox.kept(), inbox.unread()), (Some(2), 2));
    assert_eq!(inbox.store.mark_read(&inbox.team, &inbox.lead).unwrap().len(), 2);
    assert_eq!((inbox.kept(), inbox.unread()), (Some(0), 0));
    inbox.add(&["d"]);
    assert_eq!((inbox.kept(), inbox.unread()), (Some(1), 1), "the two that were read are still there");
    inbox.store.remove_inbox(&inbox.team, &inbox.lead).unwrap();
    assert_eq!(inbox.unread(), 0);
    assert!(inbox.store.inbox_cache.lock().is_empty());
}

#[test]
fn messages_follow_entries_that_are_none() {
    let inbox = inbox();
    inbox.add(&["a"]);
    fs::write(&inbox.path, r#"[[],{"from":"w","text":"a","timestamp":"x"}]"#).unwrap();
    assert_eq!(inbox.store.take_messages(&inbox.team, &inbox.lead, |_| true).unwrap().len(), 1);
    inbox.add(&["b"]);
    assert_eq!(inbox.unread(), 1);
    let entries: Vec<Value> = serde_json::from_slice(&fs::read(&inbox.path).unwrap()).unwrap();
    assert_eq!(entries.len(), 2);
}

#[test]
fn what_others_write_is_counted_anew_however_fast_they_are() {
    let inbox = inbox();
    inbox.add(&["a"]);
    let with = |read: &str| format!(r#"[{{"from":"w","text":"a","timestamp":"x","read":{read}}}]"#);
    // In place and of the same length, as nothing but the time of change can tell.
    let (read, unread) = (with("true "), with("false"));
    assert_eq!(read.len(), unread.len());
    for round in 0..300 {
        fs::write(&inbox.path, &read).unwrap();
        assert_eq!(inbox.unread(), 0, "round {round}");
        fs::write(&inbox.path, &unread).unwrap();
        assert_eq!(inbox.unread(), 1, "round {round}");
    }
    let replacement = inbox.path.with_extension("new");
    fs::write(&replacement, "[]").unwrap();
    fs::rename(&replacement, &inbox.path).unwrap();
    assert_eq!(inbox.unread(), 0);
    // What nobody has counted is not guessed.
    fs::write(&inbox.path, &unread).unwrap();
    inbox.add(&["b"]);
    assert_eq!(inbox.kept(), None);
    assert_eq!(inbox.unread(), 2);
}

#[test]
fn a_count_of_what_others_wrote_is_kept_when_the_file_has_come_to_rest() {
    let inbox = inbox();
    inbox.add(&["a"]);
    fs::write(&inbox.path, r#"[{"from":"w","text":"a","timestamp":"x"},{"no":"message"}]"#).unwrap();
    let changed = std::time::Instant::now();
    let kept = loop {
        assert_eq!(inbox.unread(), 1);
        if let Some(kept) = inbox.kept() {
            break kept;
        }
        assert!(changed.elapsed() < Duration::from_secs(20), "the count is never kept");
    };
    assert_eq!(kept, 1);
}
