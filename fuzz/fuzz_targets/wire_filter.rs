//! Whatever a JSON-RPC agent writes, nothing panics, and the next call is answered all the same.
#![no_main]

use std::time::Duration;

use agent_backends::BackendType;
use agent_backends::fuzz::writer;
use agent_backends::pipes::LineReader;
use agent_backends::wire::{Incoming, Wire};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::runtime::Builder;

const LIMIT: Duration = Duration::from_secs(20);
/// No input of the fuzzer's will have it.
const MARK: &str = "the end of what was made up, 2b1f7a";

// A runtime for each input: with it ends what runs beside.
fuzz_target!(|bytes: &[u8]| {
    Builder::new_current_thread().enable_time().build().expect("a timer can be had").block_on(run(bytes));
});

async fn run(bytes: &[u8]) {
    let (ours, agent_input) = tokio::io::duplex(1 << 16);
    let (agent_output, output) = tokio::io::duplex(1 << 16);
    let (wire, mut incoming) = Wire::connect(BackendType::Acp, LineReader::new(output), writer(ours));
    let (mut agent_output, mut asked) = (agent_output, BufReader::new(agent_input).lines());
    // One call waits, and may be answered by anything.
    let first = tokio::spawn({
        let wire = wire.clone();
        async move { wire.call::<_, serde_json::Value>("first", &(), LIMIT).await }
    });
    asked.next_line().await.unwrap().expect("the first call");
    let made_up = [bytes, format!("\n{{\"method\":\"{MARK}\"}}\n").as_bytes()].concat();
    let written = async { agent_output.write_all(&made_up).await.expect("it is read") };
    let read = async {
        loop {
            match incoming.recv().await.expect("the agent still talks") {
                Incoming::Notice { method, .. } if method == MARK => break,
                Incoming::Closed => panic!("taken for closed"),
                _ => {}
            }
        }
    };
    tokio::time::timeout(LIMIT, async { tokio::join!(written, read) }).await.expect("it is read to its end");
    first.abort();
    let answer = async {
        let call = asked.next_line().await.unwrap().expect("the second call");
        let call: serde_json::Value = serde_json::from_str(&call).expect("a call is JSON");
        let reply = format!("{{\"id\":{},\"result\":7}}\n", call["id"]);
        agent_output.write_all(reply.as_bytes()).await.expect("it is read");
    };
    let second = wire.call::<_, u32>("second", &(), LIMIT);
    let both = async { tokio::join!(second, answer) };
    let (second, ()) = tokio::time::timeout(LIMIT, both).await.expect("the second call is made");
    assert_eq!(second.expect("the second call is answered"), 7);
}
