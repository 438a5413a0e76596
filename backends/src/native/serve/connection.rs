//! What goes to the client of an ACP agent, and the questions that wait for its answers.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::lock::lock;

/// The way to a client. A line is written at once, and waits for whoever reads: nothing is kept that nobody reads.
pub(super) struct Connection {
    output: Mutex<Box<dyn Write + Send>>,
    asked: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    questions: AtomicU64,
}

impl Connection {
    pub(super) fn new(output: Box<dyn Write + Send>) -> Self {
        Self { output: Mutex::new(output), asked: Mutex::default(), questions: AtomicU64::new(1) }
    }

    fn line(&self, line: &Value) {
        let mut output = lock(&self.output);
        // A client that is gone is noticed by the end of the input.
        let _ = writeln!(output, "{line}").and_then(|()| output.flush());
    }

    pub(super) fn reply(&self, id: &Value, result: &Value) {
        self.line(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
    }

    pub(super) fn refuse(&self, id: &Value, code: i64, message: &str) {
        self.line(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}));
    }

    pub(super) fn update(&self, session: &str, update: &Value) {
        self.line(
            &json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": session, "update": update}}),
        );
    }

    /// Asks the client something, and waits for its answer; `None` when it will never come. Dropping the future withdraws the question.
    pub(super) async fn ask(&self, method: &str, params: &Value) -> Option<Value> {
        let number = self.questions.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        lock(&self.asked).insert(number, sender);
        let _withdrawn = Withdrawn(self, number);
        self.line(&json!({"jsonrpc": "2.0", "id": number, "method": method, "params": params}));
        answer.await.ok()
    }

    /// The client has answered a question.
    pub(super) fn answered(&self, id: &Value, result: Value) {
        let asked = id.as_u64().and_then(|number| lock(&self.asked).remove(&number));
        if let Some(asked) = asked {
            let _ = asked.send(result);
        }
    }
}

struct Withdrawn<'a>(&'a Connection, u64);

impl Drop for Withdrawn<'_> {
    fn drop(&mut self) {
        lock(&self.0.asked).remove(&self.1);
    }
}
