//! What holds of an inbox whoever has written it, and however it is laid out: what we add stands behind what was there.

use proptest::prelude::*;
use serde_json::json;

use serde_json::Value;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// We add messages.
    Append(Vec<String>),
    /// We take all that are messages.
    Take,
    /// Somebody else writes the inbox, with these gaps between its words.
    Written(Vec<Value>, Vec<usize>),
}

/// A value of any kind, as no version of Claude Code may have written it yet.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has numbers only", |number| number.is_finite()).prop_map(Value::from),
        prop::sample::select(&["", "]", "[", "{", "}", "\\", "\"", "] ", "ü\n", "\u{2028}"][..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z\\]]{0,3}", inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A message, with fields that we do not know.
fn message() -> impl Strategy<Value = Value> {
    (any::<bool>(), "[a-z\\[\\]\"]{1,5}", anything()).prop_map(
        |(read, text, more)| json!({"from": "w", "text": text, "later": more, "timestamp": "2026-01-01T00:00:00.000Z", "read": read}),
    )
}

fn step() -> impl Strategy<Value = Step> {
    let entries = prop::collection::vec(prop_oneof![message(), anything()], 0..4);
    prop_oneof![
        4 => prop::collection::vec("[a-z\\[\\]{}\"]{1,6}", 1..3).prop_map(Step::Append),
        3 => Just(Step::Take),
        2 => (entries, prop::collection::vec(0..5usize, 1..20)).prop_map(|(entries, gaps)| Step::Written(entries, gaps)),
    ]
}

/// The value as JSON, with a gap wherever there may be one.
fn laid_out(value: &Value, gap: &mut impl FnMut() -> &'static str) -> String {
    let list = |open: &str, items: Vec<String>, close: &str, gap: &mut dyn FnMut() -> &'static str| {
        let items: Vec<String> = items.into_iter().map(|item| format!("{}{item}{}", gap(), gap())).collect();
        format!("{open}{}{}{close}", gap(), items.join(","))
    };
    match value {
        Value::Array(items) => {
            let items = items.iter().map(|item| laid_out(item, gap)).collect();
            list("[", items, "]", gap)
        }
        Value::Object(fields) => {
            let mut field = |(name, value)| format!("{}{}:{}{}", json!(name), gap(), gap(), laid_out(value, gap));
            let fields = fields.iter().map(&mut field).collect();
            list("{", fields, "}", gap)
        }
        other => other.to_string(),
    }
}

fn is_message(entry: &Value) -> bool {
    serde_json::from_value::<Message>(entry.clone()).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_stood_in_an_inbox_stays_as_it_was(steps in prop::collection::vec(step(), 1..10)) {
        let inbox = super::tests::inbox();
        inbox.store.ensure_inbox(&inbox.team, &inbox.lead).unwrap();
        let mut expected: Vec<Value> = Vec::new();
        for step in steps {
            let before = fs::read(&inbox.path).unwrap();
            match step {
                Step::Append(texts) => {
                    let mut messages: Vec<Message> =
                        texts.iter().map(|text| new_message("w", text, None, None)).collect();
                    let now = jiff::Timestamp::now();
                    inbox.store.append_messages(&inbox.team, &inbox.lead, &mut messages, now).unwrap();
                    expected.extend(messages.iter().map(|message| serde_json::to_value(message).unwrap()));
                    let bracket = before.iter().rposition(|byte| *byte == b']').unwrap();
                    let kept = before[..bracket].trim_ascii_end();
                    prop_assert!(fs::read(&inbox.path).unwrap().starts_with(kept));
                }
                Step::Take => {
                    let taken = inbox.store.take_messages(&inbox.team, &inbox.lead, |_| true).unwrap();
                    prop_assert_eq!(taken.len(), expected.iter().filter(|entry| is_message(entry)).count());
                    expected.retain(|entry| !is_message(entry));
                }
                Step::Written(entries, gaps) => {
                    let mut gaps = gaps.into_iter().cycle().map(|gap| ["", "", " ", "\n  ", "\t\r\n"][gap]);
                    let text = laid_out(&Value::Array(entries.clone()), &mut || gaps.next().unwrap());
                    let new = inbox.path.with_extension("new");
                    fs::write(&new, text + gaps.next().unwrap()).unwrap();
                    fs::rename(&new, &inbox.path).unwrap();
                    expected = entries;
                }
            }
            let text = fs::read_to_string(&inbox.path).unwrap();
            let entries: Result<Vec<Value>, _> = serde_json::from_str(&text);
            prop_assert_eq!(entries.map_err(|error| format!("{error}: {text}")), Ok(expected.clone()));
            let unread = expected.iter().filter_map(|entry| serde_json::from_value(entry.clone()).ok());
            prop_assert_eq!(inbox.unread(), unread.filter(|message: &Message| !message.read).count());
        }
    }
}
