use super::*;

/// An agent that says numbers, all of them at once, and asks for nothing.
struct Counts {
    next: u32,
    last: u32,
    running: bool,
}

#[async_trait]
impl Driver for Counts {
    type Event = u32;

    fn start_turn(&mut self, _input: &TurnInput, _out: &mut Outbox) -> Result<()> {
        self.running = true;
        Ok(())
    }

    async fn next(&mut self) -> u32 {
        if !self.running || self.next > self.last {
            std::future::pending::<()>().await;
        }
        self.next += 1;
        self.next - 1
    }

    fn handle(&mut self, number: u32, out: &mut Outbox) {
        out.push(AgentOutput::Delta(format!("{number} ")));
        if number.is_multiple_of(100) {
            out.push(AgentOutput::Notice(number.to_string()));
        }
        if number == self.last {
            out.end_turn(TurnEnd::Complete);
        }
    }

    fn interrupt(&mut self, _out: &mut Outbox) -> Result<()> {
        Ok(())
    }

    async fn stop(&mut self, _how: StopMode) -> Result<StopReport> {
        Ok(StopReport::nothing())
    }

    fn facts(&self) -> Facts {
        Facts::default()
    }
}

#[tokio::test]
async fn everything_that_comes_at_once_arrives_in_order() {
    const LAST: u32 = 1_000;
    let mut session = Session::start("c".into(), Counts { next: 0, last: LAST, running: false });
    let mut output = session.output_receiver().unwrap();
    session.send_input("count").await.unwrap();
    let (mut text, mut notices) = (String::new(), Vec::new());
    loop {
        match output.recv().await.unwrap() {
            AgentOutput::Delta(part) => text.push_str(&part),
            // What stands before it was said before it.
            AgentOutput::Notice(number) => {
                assert!(text.ends_with(&format!("{number} ")), "{number} comes after {text}");
                notices.push(number);
            }
            AgentOutput::Idle => break,
            _ => {}
        }
    }
    let expected: String = (0..=LAST).map(|number| format!("{number} ")).collect();
    assert_eq!(text, expected);
    assert_eq!(notices.len(), 11);
    session.shutdown().await.unwrap();
}
