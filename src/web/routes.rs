//! What the server answers: to whom, and with which headers.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Form, Query, Request as HttpRequest, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::Markup;
use serde::Deserialize;

use super::access::{Access, Refusal};
use super::act::{Act, asked};
use super::hub::Hub;
use super::pages;
use super::place::Place;
use super::server::Guest;
use super::stream;
use crate::live::facts::Fact;
use crate::model::drawing::SVG_STYLE;
use crate::model::failure::{ErrorKind, Failure};
use crate::picture;

const PAGE_STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");
const ICON: &str = include_str!("assets/icon.svg");

/// Nothing is loaded from elsewhere, no script stands in a page, and no page of others can have ours in it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// How long what somebody sends may be, in bytes.
const BODY: usize = 1 << 20;
/// The same for whoever has not shown the token.
const KEY: usize = 4 << 10;

/// What every answer needs.
pub(super) struct Site {
    pub(super) access: Access,
    pub(super) hub: Arc<Hub>,
    /// Where the token is.
    pub(super) token_file: String,
}

type Shared = State<Arc<Site>>;

/// All that can be asked for.
pub(super) fn router(site: Arc<Site>) -> Router {
    let inside = Router::new()
        .route("/", get(show))
        .route("/live", get(live))
        .route("/answer", post(|site, headers, form| act(site, headers, form, Act::Answer)))
        .route("/send", post(|site, headers, form| act(site, headers, form, Act::Send)))
        .route("/interrupt", post(|site, headers, form| act(site, headers, form, Act::Interrupt)))
        .route("/stop", post(|site, headers, form| act(site, headers, form, Act::Stop)))
        .layer(DefaultBodyLimit::max(BODY))
        .route_layer(from_fn_with_state(Arc::clone(&site), check_token));
    Router::new()
        // Whoever only looks at a link, as chat programs do, uses up no key.
        .route("/enter", get(enter).head(|| async { StatusCode::METHOD_NOT_ALLOWED }).post(show_key))
        .layer(DefaultBodyLimit::max(KEY))
        .route("/assets/page.css", get(|| asset("text/css", format!("{}{SVG_STYLE}{PAGE_STYLE}", picture::STYLE))))
        .route("/assets/page.js", get(|| asset("text/javascript", SCRIPT)))
        .route("/assets/icon.svg", get(|| asset("image/svg+xml", ICON)))
        .merge(inside)
        .fallback(|| async { said(StatusCode::NOT_FOUND, "There is no such page", "", "/") })
        .layer(from_fn_with_state(Arc::clone(&site), guard))
        .with_state(site)
}

/// Checks where a request comes from before anything else, and says in each answer what a browser may do with it.
async fn guard(State(site): Shared, request: HttpRequest, next: Next) -> Response {
    let checked = site.access.check_site(request.method(), request.uri(), request.headers());
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => refused(refusal),
    };
    let headers = response.headers_mut();
    for (name, value) in
        [(CONTENT_SECURITY_POLICY, POLICY), (X_CONTENT_TYPE_OPTIONS, "nosniff"), (REFERRER_POLICY, "no-referrer")]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Checks who makes a request, and whether it may change anything.
async fn check_token(State(site): Shared, request: HttpRequest, next: Next) -> Response {
    let mut checked = site.access.check_token(request.headers());
    if checked.is_ok() && request.method() != Method::GET && request.method() != Method::HEAD {
        checked = site.access.check_change(request.headers());
    }
    if let (Ok(()), Some(guest)) = (checked, request.extensions().get::<Guest>()) {
        guest.has_shown_token();
        let (guest, daemon) = (guest.clone(), site.hub.requests().daemon());
        let looked = tokio::task::spawn_blocking(move || daemon.is_some_and(|daemon| guest.descends_from(daemon)));
        if looked.await.unwrap_or(true) {
            checked = Err(Refusal::Agent);
        }
    }
    match checked {
        Ok(()) => next.run(request).await,
        Err(Refusal::Stranger) if request.method() == Method::GET && request.uri().path() == "/" => {
            (StatusCode::UNAUTHORIZED, page(pages::door(false, &site.token_file))).into_response()
        }
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: Refusal) -> Response {
    let (status, text) = match refusal {
        Refusal::Host => (
            StatusCode::MISDIRECTED_REQUEST,
            "This name is not one of this server. Use the address that `teams web` has printed, or start it with --host NAME.",
        ),
        Refusal::Foreign => (StatusCode::FORBIDDEN, "This was asked for by another page."),
        Refusal::Stranger => (StatusCode::UNAUTHORIZED, "Show the token of this start: open / in a browser."),
        Refusal::Agent => (StatusCode::FORBIDDEN, "An agent asks for this, and only a person sees and decides it."),
        Refusal::ReadOnly => (StatusCode::FORBIDDEN, "This page only shows: it was started with --read-only."),
    };
    (status, text).into_response()
}

fn page(markup: Markup) -> Response {
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], markup.into_string()).into_response()
}

fn said(status: StatusCode, title: &str, text: &str, back: &str) -> Response {
    (status, page(pages::message(title, text, back))).into_response()
}

async fn asset(kind: &'static str, body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], body.into()).into_response()
}

/// What shows that somebody may come in.
#[derive(Deserialize)]
struct Key {
    #[serde(default)]
    key: String,
}

async fn enter(State(site): Shared, Query(key): Query<Key>, headers: HeaderMap) -> Response {
    // Whoever is in already has used up the link that they open once more.
    match site.access.check_token(&headers) {
        Ok(()) => Redirect::to("/").into_response(),
        Err(_) => admit(&site, &key),
    }
}

async fn show_key(State(site): Shared, Form(key): Form<Key>) -> Response {
    admit(&site, &key)
}

fn admit(site: &Site, key: &Key) -> Response {
    match site.access.set_cookie() {
        // The page itself goes on: after a link on another site a browser sends no strict cookie along.
        Some(cookie) if site.access.admits(key.key.trim()) => {
            let headers =
                [(SET_COOKIE, cookie), (HeaderName::from_static("refresh"), HeaderValue::from_static("0; url=/"))];
            (headers, said(StatusCode::OK, "teams", "You are in.", "/")).into_response()
        }
        _ => (StatusCode::UNAUTHORIZED, page(pages::door(!key.key.is_empty(), &site.token_file))).into_response(),
    }
}

async fn show(State(site): Shared, Query(place): Query<Place>) -> Response {
    // What it needs to be whole is there when it is opened.
    let status =
        if site.hub.finds(&place).await || place.team.is_none() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    site.hub.load(&place).await;
    let shown = site.hub.page(&place);
    (status, page(pages::page(&place, &shown))).into_response()
}

/// From which event on a page wants to hear.
#[derive(Deserialize)]
struct From {
    since: Option<String>,
}

async fn live(
    State(site): Shared,
    Query(place): Query<Place>,
    Query(since): Query<From>,
    headers: HeaderMap,
) -> Response {
    // A browser that comes back says what it has had last.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let since = match last.or(since.since.as_deref()).unwrap_or("0").parse() {
        Ok(since) => since,
        Err(_) => return (StatusCode::BAD_REQUEST, "There is no such event.").into_response(),
    };
    let body = stream::events(Arc::clone(&site.hub), place, since);
    ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn act(State(site): Shared, headers: HeaderMap, form: Form<Vec<(String, String)>>, what: Act) -> Response {
    let wants_page =
        headers.get("accept").is_some_and(|accept| accept.to_str().is_ok_and(|kinds| kinds.contains("text/html")));
    let back = form.iter().find(|(name, _)| name == "back").map(|(_, back)| back.as_str());
    // It leads to a place of ours.
    let back = back.filter(|back| *back == "/" || back.starts_with("/?")).unwrap_or("/");
    let team = form.iter().find(|(name, _)| name == "team").map(|(_, team)| Place::of(team, None));
    let done = match asked(what, &form) {
        // A page of one team does nothing to others.
        Ok(_) if !site.hub.finds(&team.unwrap_or_default()).await => {
            Fact::Refused(Failure::new(ErrorKind::NoTeam, "there is no such team on this page"))
        }
        Ok(request) => site.hub.requests().perform(request).await,
        Err(failure) => Fact::Refused(failure),
    };
    match done {
        Fact::Refused(failure) => {
            let hint = failure.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
            let (status, text) = (status_of(&failure), format!("{}{hint}", failure.message));
            if wants_page { said(status, "This was not done", &text, back) } else { (status, text).into_response() }
        }
        _ if wants_page => Redirect::to(back).into_response(),
        Fact::Done { say: Some(text) } => text.into_response(),
        _ => "sent".into_response(),
    }
}

fn status_of(failure: &Failure) -> StatusCode {
    match failure.kind {
        ErrorKind::NoTeam | ErrorKind::NoMember | ErrorKind::NoApproval => StatusCode::NOT_FOUND,
        ErrorKind::BadInput | ErrorKind::BadName => StatusCode::BAD_REQUEST,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::NoDaemon | ErrorKind::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    }
}
