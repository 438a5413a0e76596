//! What holds of a journal wherever its file is cut off: it says what was so after one of the steps, and the last whole one.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Save(Record),
    /// A turn of its own number, with so many messages.
    Queue {
        mail: usize,
    },
    Begin(Index),
    Accept(Index),
    End(Index),
    /// What a turn was given comes again in a turn of its own.
    Again {
        of: Index,
        doubtful: bool,
    },
    /// The file is written anew.
    Shorten,
}

fn step() -> impl Strategy<Value = Step> {
    let turn = any::<Index>;
    let record = (0..4u64, 0..3u64, any::<bool>(), "[a-z]{0,3}").prop_map(|(turns, in_doubt, alive, id)| Record {
        turns,
        in_doubt,
        alive,
        session_id: Some(id),
        ..Record::default()
    });
    prop_oneof![
        2 => record.prop_map(Step::Save),
        4 => (0..3usize).prop_map(|mail| Step::Queue { mail }),
        3 => turn().prop_map(Step::Begin),
        2 => turn().prop_map(Step::Accept),
        3 => turn().prop_map(Step::End),
        2 => (turn(), any::<bool>()).prop_map(|(of, doubtful)| Step::Again { of, doubtful }),
        1 => Just(Step::Shorten),
    ]
}

fn input(turn: u64, mail: usize, doubtful: bool) -> Input {
    let letter =
        |number| Message { from: "anna".into(), text: format!("letter {number}\n\"ü\""), ..Message::default() };
    let text = if mail == 0 { format!("input {turn}") } else { String::new() };
    Input { turn, text, mail: (0..mail).map(letter).collect(), doubtful, ..Input::default() }
}

/// What a journal has to say, kept without a file.
#[derive(Debug, Clone, Default)]
struct Model {
    record: Record,
    open: BTreeMap<u64, (Input, &'static str)>,
    last_turn: u64,
}

impl Model {
    fn queue(&mut self, input: &Input) {
        self.last_turn = input.turn;
        self.open.insert(input.turn, (input.clone(), "queued"));
    }

    fn mark(&mut self, turn: u64, progress: &'static str) {
        if let Some(open) = self.open.get_mut(&turn) {
            open.1 = progress;
        }
    }

    fn contents(&self) -> Contents {
        let those = |wanted: &dyn Fn(&Input, &str) -> bool| {
            self.open.values().filter(|(input, so_far)| wanted(input, so_far)).map(|(input, _)| input.clone()).collect()
        };
        let is_unsure = |input: &Input, so_far: &str| so_far == "begun" && !input.mail.is_empty();
        Contents {
            record: self.record.clone(),
            queued: those(&|_, so_far| so_far == "queued"),
            cut: those(&|input, so_far| so_far != "queued" && !is_unsure(input, so_far)),
            unsure: those(&is_unsure),
            last_turn: self.last_turn,
        }
    }
}

/// Takes a step with the journal and with the model. `false` when there is no turn to take it with.
fn take(step: Step, journal: &mut Journal, model: &mut Model) -> bool {
    let known = model.last_turn;
    let turn = |index: Index| index.index(usize::try_from(known).unwrap()) as u64 + 1;
    if known == 0 && !matches!(step, Step::Queue { .. } | Step::Shorten) {
        return false;
    }
    match step {
        Step::Save(record) => {
            let record = Record { turns: record.turns.min(known), ..record };
            journal.save(&record).unwrap();
            model.record = record;
        }
        Step::Queue { mail } => {
            let input = input(known + 1, mail, false);
            journal.queued(&input).unwrap();
            model.queue(&input);
        }
        Step::Begin(index) => {
            journal.begun(turn(index)).unwrap();
            model.mark(turn(index), "begun");
        }
        Step::Accept(index) => {
            journal.accepted(turn(index)).unwrap();
            model.mark(turn(index), "accepted");
        }
        Step::End(index) => {
            journal.ended(turn(index)).unwrap();
            model.open.remove(&turn(index));
        }
        Step::Again { of, doubtful } => {
            let input = input(known + 1, 2, doubtful);
            journal.again(turn(of), &input).unwrap();
            model.open.remove(&turn(of));
            model.record.in_doubt += if doubtful { 2 } else { 0 };
            model.queue(&input);
        }
        Step::Shorten => journal.rewrite().unwrap(),
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_journal_that_is_cut_off_says_what_was_so_after_its_last_whole_line(
        steps in prop::collection::vec(step(), 1..40),
        cuts in prop::collection::vec(any::<Index>(), 12),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.jsonl");
        let (mut journal, _) = Journal::open(&path).unwrap();
        let mut model = Model::default();
        // How long the file was after each step since it was last written anew, and what was so then.
        let mut states = vec![(journal.length, model.contents())];
        for step in steps {
            let anew = matches!(step, Step::Shorten);
            if !take(step, &mut journal, &mut model) {
                continue;
            }
            if anew {
                states.clear();
            }
            states.push((journal.length, model.contents()));
        }
        let whole = std::fs::read(&path).unwrap();
        let (first, last) = (states[0].0, states[states.len() - 1].0);
        prop_assert_eq!(last, whole.len() as u64);
        let ends = states.iter().flat_map(|(end, _)| [*end, end.saturating_sub(1).max(first)]);
        let anywhere = cuts.iter().map(|cut| first + cut.index(usize::try_from(last - first).unwrap() + 1) as u64);
        for end in ends.chain(anywhere) {
            // A line is whole without its end, too.
            let (_, expected) = states.iter().rev().find(|(length, _)| *length <= end + 1).unwrap();
            let cut = &whole[..usize::try_from(end).unwrap()];
            prop_assert_eq!(&Contents::parse(cut), expected, "cut at {} of {}", end, last);
        }
        // Nor does it say anything else when it was opened again, and so written anew.
        let cut = states[cuts[0].index(states.len())].clone();
        std::fs::write(&path, &whole[..usize::try_from(cut.0).unwrap()]).unwrap();
        let (_, opened) = Journal::open(&path).unwrap();
        prop_assert_eq!(&opened, &cut.1);
        prop_assert_eq!(&Contents::read(&path).unwrap(), &cut.1);
    }
}
