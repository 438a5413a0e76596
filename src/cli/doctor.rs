//! `teams doctor`

use agent_backends::discover::is_older;
use agent_backends::{AgentBackend, Command, known};
use serde::Serialize;

use super::output::Style;
use super::{Context, Done};
use crate::daemon::Connection;
use crate::daemon::surroundings::command;
use crate::paths;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    what: String,
    ok: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tested_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logged_in: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Finding {
    fn new(what: &str, ok: bool, detail: String) -> Self {
        Self { what: what.to_owned(), ok, detail, version: None, tested_version: None, logged_in: None, remedy: None }
    }
}

pub(super) async fn run(context: &Context<'_>) -> anyhow::Result<Done> {
    let mut findings = Vec::new();
    for backend in known::backends() {
        // One for each program.
        if !backend.capabilities().any_program && backend.family() == backend.backend_type() {
            findings.push(agent(&*backend).await);
        }
    }
    let agents = findings.len();
    findings.push(state_dir());
    findings.push(daemon().await);
    let any_agent = findings[..agents].iter().any(|finding| finding.ok);
    let rest_is_well = findings[agents..].iter().all(|finding| finding.ok);
    if context.output.json {
        context.output.json(&findings)?;
    } else {
        for finding in &findings {
            let (style, mark) = if finding.ok { (Style::Green, "ok") } else { (Style::Red, "--") };
            let mark = context.output.paint(style, mark);
            context.output.line(&format!("{mark}  {:<12} {}", finding.what, finding.detail))?;
            if let Some(remedy) = &finding.remedy {
                context.output.line(&format!("    {:<12} {remedy}", ""))?;
            }
        }
    }
    let wrong = match (rest_is_well, any_agent) {
        (false, _) => "something above needs your attention",
        (true, false) => "no agent CLI is usable yet; install one of the above, or try `teams demo`",
        (true, true) => return Ok(Done::Yes),
    };
    context.output.error(wrong);
    Ok(Done::No)
}

async fn agent(backend: &dyn AgentBackend) -> Finding {
    let name = backend.backend_type();
    let name = name.short_name();
    let command = match command(backend.backend_type(), None) {
        Ok(command) => command.or_else(|| backend.default_command()),
        Err(error) => return Finding::new(name, false, format!("{error:#}")),
    };
    let command = command.unwrap_or_else(|| Command::new(name));
    let tested = backend.tested_version();
    match backend.version(&command).await {
        Err(error) => Finding { tested_version: tested, ..Finding::new(name, false, error.to_string()) },
        Ok(version) => {
            let login = backend.login_state(&command).await;
            let said = match login {
                Some(true) => "logged in",
                Some(false) => "not logged in",
                None => "cannot tell whether it is logged in",
            };
            let program = command.program().to_owned();
            let oldest = backend.oldest_version().filter(|oldest| is_older(&version, oldest));
            let supported = match tested {
                _ if oldest.is_some() => format!("too old: {} is the oldest that works", oldest.unwrap_or_default()),
                Some(tested) if tested == version => "the tested version".to_owned(),
                Some(tested) => format!("tested with {tested}"),
                None => String::new(),
            };
            let supported = if supported.is_empty() { supported } else { format!(" ({supported})") };
            Finding {
                version: Some(version.clone()),
                tested_version: tested,
                logged_in: login,
                remedy: match (oldest, backend.npm_package()) {
                    (Some(_), Some(package)) => Some(format!("install a newer one: npm install -g {package}")),
                    _ => (login == Some(false)).then(|| backend.capabilities().login.to_owned()),
                },
                ..Finding::new(
                    name,
                    login != Some(false) && oldest.is_none(),
                    format!("{version}{supported}, {said}, {program}"),
                )
            }
        }
    }
}

fn state_dir() -> Finding {
    let dir = match paths::state_dir() {
        Ok(dir) => dir,
        Err(error) => return Finding::new("state", false, error.to_string()),
    };
    let usable = std::fs::create_dir_all(&dir).and_then(|()| tempfile::tempfile_in(&dir));
    match usable {
        Ok(_) => Finding::new("state", true, dir.display().to_string()),
        Err(error) => Finding {
            remedy: Some("set TEAMS_STATE_DIR to a place that you can write to".into()),
            ..Finding::new("state", false, format!("cannot write to {}: {error}", dir.display()))
        },
    }
}

async fn daemon() -> Finding {
    let running = match paths::state_dir() {
        Ok(dir) => Connection::to_running(&dir).await,
        Err(error) => Err(error.into()),
    };
    match running {
        Ok(Some(connection)) => Finding::new("daemon", true, format!("running, process {}", connection.daemon.pid)),
        Ok(None) => Finding::new("daemon", true, "not running; it starts by itself when it is needed".into()),
        Err(error) => Finding::new("daemon", false, format!("{error:#}")),
    }
}
