use std::sync::Mutex;

use super::*;

struct Lists {
    dir: tempfile::TempDir,
    store: Store,
    team: TeamName,
}

fn lists() -> Lists {
    let dir = tempfile::tempdir().unwrap();
    let store = store_at(dir.path());
    let team: TeamName = "t".parse().unwrap();
    store.create_team(&team, None, Path::new("/"), 1).unwrap();
    Lists { dir, store, team }
}

fn store_at(dir: &Path) -> Store {
    Store::new(dir.join("teams"), dir.join("tasks"), dir.join("locks"))
}

impl Lists {
    fn add(&self, subject: &str, blocked_by: &[&str]) -> Task {
        let request = CreateTaskRequest {
            subject: subject.into(),
            blocked_by: blocked_by.iter().map(|id| (*id).to_owned()).collect(),
            ..Default::default()
        };
        self.store.create_task(&self.team, &request).unwrap()
    }

    fn set_status(&self, id: &str, status: TaskStatus) -> Result<Vec<TaskId>> {
        let update = TaskUpdate { status: Some(status), ..Default::default() };
        Ok(self.store.update_task(&self.team, &id.parse().unwrap(), &update)?.1)
    }

    fn block(&self, id: &str, by: &[&str]) -> Result<Task> {
        let by = by.iter().map(|id| (*id).to_owned()).collect();
        let update = TaskUpdate { add_blocked_by: Some(by), ..Default::default() };
        Ok(self.store.update_task(&self.team, &id.parse().unwrap(), &update)?.0)
    }

    fn file(&self, id: &str) -> PathBuf {
        self.dir.path().join(format!("tasks/t/{id}.json"))
    }

    fn ids(&self) -> Vec<String> {
        self.store.tasks(&self.team).unwrap().tasks.iter().map(|task| task.id.to_string()).collect()
    }
}

#[test]
fn a_new_task_looks_like_one_of_claude_codes() {
    let lists = lists();
    let request = CreateTaskRequest {
        subject: "First task".into(),
        description: Some("Do the first".into()),
        active_form: Some("Doing first".into()),
        ..Default::default()
    };
    lists.store.create_task(&lists.team, &request).unwrap();
    let sample = "{\n  \"id\": \"1\",\n  \"subject\": \"First task\",\n  \"description\": \"Do the first\",\n  \
                  \"activeForm\": \"Doing first\",\n  \"status\": \"pending\",\n  \"blocks\": [],\n  \"blockedBy\": []\n}";
    assert_eq!(fs::read_to_string(lists.file("1")).unwrap(), sample);
    assert_eq!(fs::read(lists.dir.path().join("tasks/t/.lock")).unwrap(), b"");
}

#[test]
fn both_ends_of_a_dependency_are_written_and_completion_unblocks() {
    let lists = lists();
    lists.add("one", &[]);
    lists.add("two", &["1"]);
    lists.add("three", &["1", "2"]);
    let list = lists.store.tasks(&lists.team).unwrap();
    assert_eq!(list.get("1").unwrap().blocks, ["2", "3"].map(|id| id.parse().unwrap()));
    assert_eq!(list.get("2").unwrap().blocked_by, [TaskId::number(1)]);
    let error = lists.set_status("2", TaskStatus::Completed).unwrap_err().to_string();
    assert!(error.contains("#2 waits for #1"), "{error}");
    assert_eq!(lists.set_status("1", TaskStatus::Completed).unwrap(), [TaskId::number(2)]);
    assert_eq!(lists.set_status("2", TaskStatus::Completed).unwrap(), [TaskId::number(3)]);
    // Completing again is no error, and frees nothing.
    assert_eq!(lists.set_status("2", TaskStatus::Completed).unwrap(), []);
}

#[test]
fn circles_are_refused_and_nothing_is_written() {
    let lists = lists();
    lists.add("one", &[]);
    lists.add("two", &["1"]);
    lists.add("three", &["2"]);
    let before = fs::read(lists.file("3")).unwrap();
    for by in [&["3"][..], &["1"], &["2"]] {
        let error = lists.block("1", by).unwrap_err().to_string();
        assert!(error.contains("circle"), "{error}");
    }
    assert!(matches!(lists.block("1", &["9"]), Err(StoreError::NoTask { .. })));
    assert_eq!(fs::read(lists.file("3")).unwrap(), before);
    // Two edges of one call close a circle together.
    lists.add("four", &[]);
    let update =
        TaskUpdate { add_blocked_by: Some(vec!["3".into()]), add_blocks: Some(vec!["1".into()]), ..Default::default() };
    let error = lists.store.update_task(&lists.team, &TaskId::number(4), &update).unwrap_err();
    assert!(matches!(error, StoreError::Cycle { .. }), "{error}");
}

#[test]
fn a_deleted_id_is_gone_everywhere_and_never_comes_back() {
    let lists = lists();
    lists.add("one", &[]);
    lists.add("two", &["1"]);
    lists.store.delete_task(&lists.team, &TaskId::number(2)).unwrap();
    assert_eq!(fs::read(lists.dir.path().join("tasks/t/.highwatermark")).unwrap(), b"2");
    assert_eq!(lists.store.tasks(&lists.team).unwrap().get("1").unwrap().blocks, []);
    assert_eq!(&*lists.add("three", &[]).id, "3");
    assert_eq!(lists.ids(), ["1", "3"]);
}

#[test]
fn what_we_do_not_know_survives_in_its_place() {
    let lists = lists();
    lists.add("one", &[]);
    let text = r#"{"zeta":1.5,"id":"1","subject":"one","custom":{"b":1,"a":[]},"description":"","status":"pending","blocks":[],"blockedBy":[],"metadata":{"k":"v"}}"#;
    fs::write(lists.file("1"), text).unwrap();
    lists.set_status("1", TaskStatus::InProgress).unwrap();
    let compact = serde_json::from_slice::<Value>(&fs::read(lists.file("1")).unwrap()).unwrap().to_string();
    assert_eq!(compact, text.replace("pending", "in_progress"));
}

#[test]
fn a_hand_of_another_program_is_seen_at_once_and_a_broken_file_harms_nobody() {
    let lists = lists();
    lists.add("one", &[]);
    assert_eq!(lists.ids(), ["1"]);
    fs::write(lists.file("7"), r#"{"id":"7","subject":"s","status":"pending","blocks":[],"blockedBy":[]}"#).unwrap();
    assert_eq!(lists.ids(), ["1", "7"]);
    fs::write(lists.file("9"), r#"{"id":"9","subj"#).unwrap();
    let list = lists.store.tasks(&lists.team).unwrap();
    assert_eq!(list.problems.len(), 1);
    assert_eq!(lists.ids(), ["1", "7"]);
    // Its number is taken all the same, and it is not overwritten.
    assert_eq!(&*lists.add("ten", &[]).id, "10");
    assert_eq!(fs::read_to_string(lists.file("9")).unwrap(), r#"{"id":"9","subj"#);
    assert!(matches!(lists.set_status("9", TaskStatus::Completed), Err(StoreError::NoTask { .. })));
    fs::remove_file(lists.file("7")).unwrap();
    fs::remove_file(lists.file("9")).unwrap();
    let list = lists.store.tasks(&lists.team).unwrap();
    assert_eq!((list.tasks.len(), list.problems.len()), (2, 0));
}

#[test]
fn no_task_is_claimed_twice() {
    let lists = lists();
    for number in 0..40 {
        lists.add(&format!("task {number}"), if number == 39 { &["1"] } else { &[] });
    }
    let claimed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (claimed, lists) = (&claimed, &lists);
            // A store of its own, as another process has.
            scope.spawn(move || {
                let store = store_at(lists.dir.path());
                while let Some(task) = store.claim_task(&lists.team, None, format!("w{worker}").as_str()).unwrap() {
                    claimed.lock().unwrap().push(task.id.as_number().unwrap());
                }
            });
        }
    });
    let mut claimed = claimed.into_inner().unwrap();
    claimed.sort_unstable();
    assert_eq!(claimed, (1..40).collect::<Vec<_>>(), "each once, and not the one that waits");
    let error = lists.store.claim_task(&lists.team, Some(&TaskId::number(2)), "late").unwrap_err().to_string();
    assert!(error.contains("#2 belongs to w"), "{error}");
}

#[test]
fn what_a_member_leaves_behind_is_free_again() {
    let lists = lists();
    lists.add("one", &[]);
    lists.add("two", &[]);
    lists.store.claim_task(&lists.team, None, "w").unwrap();
    lists.set_status("1", TaskStatus::Completed).unwrap();
    lists.store.claim_task(&lists.team, None, "w").unwrap();
    assert_eq!(lists.store.release_tasks(&lists.team, "w").unwrap(), [TaskId::number(2)]);
    let list = lists.store.tasks(&lists.team).unwrap();
    assert_eq!(list.get("1").unwrap().owner.as_deref(), Some("w"));
    assert_eq!((list.get("2").unwrap().owner.as_deref(), list.get("2").unwrap().status), (None, TaskStatus::Pending));
}

/// Threads of one process, whose claims are done together.
#[test]
fn claims_that_come_together_are_told_apart() {
    let lists = lists();
    for number in 0..60 {
        lists.add(&format!("task {number}"), &[]);
    }
    // One of each pair wants what the other wants, too.
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..8_u64 {
            let (lists, outcomes) = (&lists, &outcomes);
            scope.spawn(move || {
                let owner = format!("w{worker}");
                for round in 0..5 {
                    let wanted = TaskId::number(round * 4 + worker / 2 + 1);
                    let claimed = lists.store.claim_task(&lists.team, Some(&wanted), owner.as_str());
                    outcomes.lock().unwrap().push((wanted, claimed.map(|task| task.unwrap().id)));
                    lists.store.claim_task(&lists.team, None, owner.as_str()).unwrap().unwrap();
                }
            });
        }
    });
    for (wanted, claimed) in outcomes.into_inner().unwrap() {
        match claimed {
            Ok(id) => assert_eq!(id, wanted, "each gets what it has asked for"),
            Err(error) => assert!(matches!(&error, StoreError::Claimed { id, .. } if *id == *wanted), "{error}"),
        }
    }
    let list = lists.store.tasks(&lists.team).unwrap();
    let mut owned = std::collections::BTreeMap::<&str, usize>::new();
    for task in list.tasks.iter().filter(|task| task.status == TaskStatus::InProgress) {
        *owned.entry(task.owner.as_deref().unwrap()).or_default() += 1;
    }
    assert_eq!(owned.len(), 8);
    assert!(owned.values().all(|count| (5..=10).contains(count)), "{owned:?}");
    assert!(!lists.dir.path().join("tasks/t").read_dir().unwrap().any(|entry| {
        let name = entry.unwrap().file_name();
        name.to_str().is_some_and(|name| name.ends_with(".json.lock") || name.contains(".tmp."))
    }));
}
