//! `teams ui`: all teams in a terminal, and the answers to those who need somebody.
//!
//! Facts from the daemon ([`live`](crate::live)) and keys ([`keys`]) change a state ([`state`]), which is drawn ([`view`]). State and drawing know
//! neither a daemon nor a terminal. Looking on changes nothing of what members do.

mod keys;
mod plain;
mod state;
mod view;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event, KeyEventKind,
    MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::DefaultTerminal;
use ratatui::layout::Position;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::state::{Action, Mode, State};
use self::view::{Places, Theme, draw};
use crate::daemon::Connection;
use crate::live::facts::{Fact, Request};
use crate::live::line::Line;

/// How long at least passes between two frames that nobody has asked for with a key.
const FRAME: Duration = Duration::from_millis(33);
/// How often times are counted on.
const TICK: Duration = Duration::from_secs(1);
/// How many keys may wait.
const BEHIND: usize = 64;
const WHEEL: isize = 3;
/// How many of a team's last events are shown at the beginning.
const BACK: u64 = 2_000;
/// How long what was asked for may take when the person leaves.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

/// What the view is of, and how it looks.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) state_dir: PathBuf,
    /// This team only.
    pub(crate) team: Option<String>,
    pub(crate) colour: bool,
}

/// Says in lines who works and who needs somebody, for those who cannot see a screen, and for logs.
///
/// # Errors
/// Standard output is closed.
pub(crate) async fn lines(options: &Options, connection: Connection) -> anyhow::Result<()> {
    let mut line = Line::open(&options.state_dir, options.team.clone(), connection, 0);
    let mut teller = plain::Teller::new(options.team.clone());
    while let Some(fact) = line.facts.recv().await {
        for text in teller.tell(fact) {
            use io::Write as _;
            let told = writeln!(io::stdout().lock(), "{}", crate::visible::visible_line(&text));
            if told.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Shows all teams until the person leaves.
///
/// # Errors
/// The terminal cannot be used.
pub(crate) async fn run(options: &Options, connection: Connection) -> anyhow::Result<()> {
    let mut line = Line::open(&options.state_dir, options.team.clone(), connection, BACK);
    let mut keys = read_keys();
    let mut terminal = ratatui::try_init().context("this terminal cannot be used")?;
    let modes = crossterm::execute!(io::stdout(), EnableMouseCapture, EnableBracketedPaste);
    let shown = match modes {
        Ok(()) => show(&mut terminal, options, &mut line, &mut keys).await,
        Err(error) => Err(error.into()),
    };
    // Whatever has happened, the terminal is as it was.
    let _ = crossterm::execute!(io::stdout(), DisableMouseCapture, DisableBracketedPaste);
    ratatui::restore();
    shown
}

/// Reads what the terminal sends; the thread ends with the program.
fn read_keys() -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(BEHIND);
    std::thread::spawn(move || {
        while let Ok(event) = crossterm::event::read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    });
    receiver
}

async fn show(
    terminal: &mut DefaultTerminal,
    options: &Options,
    line: &mut Line,
    keys: &mut mpsc::Receiver<Event>,
) -> anyhow::Result<()> {
    let mut state = State::new(options.team.clone());
    let theme = Theme { colour: options.colour };
    let mut requests: JoinSet<Fact> = JoinSet::new();
    let mut ticks = tokio::time::interval(TICK);
    let mut ended = signal(SignalKind::terminate())?;
    let mut places = Places::default();
    // When the next frame is due; none when nothing has changed.
    let mut due = Some(Instant::now());
    let mut drawn = Instant::now();
    while !state.quits {
        let asked: Vec<Request> = tokio::select! {
            biased;
            event = keys.recv() => {
                due = Some(Instant::now());
                let Some(event) = event else { return Ok(()) };
                state.apply(now());
                action_of(&state, &places, event).map(|action| state.act(action)).unwrap_or_default()
            }
            () = tokio::time::sleep_until(due.unwrap_or(drawn)), if due.is_some() => {
                terminal.draw(|frame| places = draw(frame, &state, theme))?;
                state.clamp_scroll(places.most_scrolled, places.most_window);
                (due, drawn) = (None, Instant::now());
                Vec::new()
            }
            Some(fact) = line.facts.recv() => {
                due = due.or(Some(drawn + FRAME));
                state.apply(fact)
            }
            Some(Ok(fact)) = requests.join_next(), if !requests.is_empty() => {
                due = due.or(Some(drawn + FRAME));
                state.apply(fact)
            }
            _ = ticks.tick() => {
                due = due.or(Some(drawn + FRAME));
                state.apply(now())
            }
            _ = ended.recv() => return Ok(()),
        };
        for request in asked {
            requests.spawn(line.requests().perform(request));
        }
    }
    // What was asked for last is done, too.
    let _ = tokio::time::timeout(LAST_REQUESTS, async { while requests.join_next().await.is_some() {} }).await;
    Ok(())
}

fn now() -> Fact {
    Fact::Time(jiff::Timestamp::now().as_millisecond())
}

/// What a person does with what the terminal sends.
fn action_of(state: &State, places: &Places, event: Event) -> Option<Action> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => keys::action(&state.mode, key),
        Event::Paste(text) if state.mode != Mode::Browse => Some(Action::Insert(text)),
        Event::Mouse(MouseEvent { kind, column, row, .. }) => {
            let at = Position::new(column, row);
            match kind {
                MouseEventKind::ScrollUp => Some(Action::Scroll(WHEEL)),
                MouseEventKind::ScrollDown => Some(Action::Scroll(-WHEEL)),
                // Whoever writes goes on where they are.
                MouseEventKind::Down(MouseButton::Left) if state.mode == Mode::Browse => {
                    let row = places.rows.iter().find(|(place, _)| place.contains(at));
                    let tab = places.tabs.iter().find(|(place, _)| place.contains(at));
                    let row = row.map(|(_, place)| Action::Select(place.clone()));
                    row.or_else(|| tab.map(|(_, tab)| Action::Show(*tab)))
                }
                _ => None,
            }
        }
        _ => None,
    }
}
