//! What happens on a page, as server-sent events: a transcript goes on after the last event that a page has, everything else is the state
//! as it is now. A page that is behind is sent less often, and misses nothing.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;

use super::hub::Hub;
use super::known::{Part, Since};
use super::place::{Place, Tab};

/// How many bytes a page is sent in a second, about. What has changed is told at the hub's pace.
const BYTES_A_SECOND: u32 = 2 << 20;
/// How often a page hears that its connection lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// What a page is sent. `since` is the last event of the transcript that it has.
pub(super) fn events(hub: Arc<Hub>, place: Place, since: Since) -> Body {
    let (sender, receiver) = mpsc::channel::<Result<Bytes, Infallible>>(1);
    tokio::spawn(async move {
        let mut version = hub.version();
        let mut page = Page { hub, place, since, shown: Default::default() };
        let mut next = Instant::now();
        let mut wrote = next;
        // How browsers wait before they come back.
        let mut text = "retry: 1000\n\n".to_owned();
        loop {
            version.mark_unchanged();
            page.look(&mut text);
            let sent = u32::try_from(text.len()).unwrap_or(u32::MAX);
            next = next.max(Instant::now()) + Duration::from_secs(1) * sent / BYTES_A_SECOND;
            if !text.is_empty() {
                wrote = Instant::now();
                if sender.send(Ok(Bytes::from(std::mem::take(&mut text)))).await.is_err() {
                    return;
                }
            }
            let again = page.hub.load(&page.place).await;
            let change = async {
                match again {
                    // By then the daemon may have more to answer, and nothing may have told so.
                    Some(holds) => !matches!(timeout(holds, version.changed()).await, Ok(Err(_))),
                    None => version.changed().await.is_ok(),
                }
            };
            tokio::select! {
                () = sender.closed() => return,
                goes_on = change => if !goes_on {
                    return;
                },
                () = sleep_until(wrote + SIGN_OF_LIFE) => text.push_str(": alive\n\n"),
            }
            sleep_until(next).await;
        }
    });
    Body::from_stream(ReceiverStream::new(receiver))
}

/// What one page has.
struct Page {
    hub: Arc<Hub>,
    place: Place,
    since: Since,
    shown: [Option<Arc<str>>; Part::ALL.len()],
}

impl Page {
    /// Writes down what the page does not have.
    fn look(&mut self, text: &mut String) {
        for (part, shown) in Part::ALL.into_iter().zip(&mut self.shown) {
            let now = self.hub.part(part, &self.place);
            if shown.as_ref() != Some(&now) {
                event(text, part.id(), None, &now);
                *shown = Some(now);
            }
        }
        if self.place.tab == Tab::Transcript && self.place.team.is_some() {
            let added = self.hub.entries(&self.place, self.since);
            if added.last != self.since {
                let name = if added.is_all { "transcript" } else { "entries" };
                event(text, name, Some(added.last), &added.html);
                self.since = added.last;
            }
        }
    }
}

/// An event as it stands in the stream.
fn event(out: &mut String, name: &str, id: Option<Since>, data: &str) {
    let _ = writeln!(out, "event: {name}");
    if let Some(id) = id {
        let _ = writeln!(out, "id: {id}");
    }
    for line in data.split(['\n', '\r']) {
        let _ = writeln!(out, "data: {line}");
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_an_event_ends_none() {
        let mut out = String::new();
        event(&mut out, "page", Some(Since { generation: 1, seq: 7 }), "a\n\nevent: x\rdata: y");
        assert_eq!(out, "event: page\nid: 1.7\ndata: a\ndata: \ndata: event: x\ndata: data: y\n\n");
    }
}
