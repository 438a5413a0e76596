//! `teams agent`: an agent of our own, for a client that speaks ACP, for one prompt, or at a terminal.

mod extension;
mod repl;
mod turn;

use std::io::IsTerminal as _;

use agent_backends::PermissionMode;
use agent_backends::native::llm::LlmConfig;
use agent_backends::native::tools::{CommandLimits, WebHosts};
use agent_backends::native::{AgentSetup, Conversations, LoopSettings, ServeOptions, serve};
use agent_backends::process::LABEL_VARIABLE;
use anyhow::Context as _;

use super::agent_args::AgentArgs;
use super::{Context, Done};
use crate::daemon::{ErrorKind, Failure};
use crate::paths;

pub(super) async fn run(context: &Context<'_>, args: AgentArgs) -> anyhow::Result<Done> {
    if args.version {
        context.output.line(&format!("{} (teams agent)", env!("CARGO_PKG_VERSION")))?;
        return Ok(Done::Yes);
    }
    if matches!(args.permission_mode, PermissionMode::Other(_)) {
        let what = format!("there is no permission mode `{}`", args.permission_mode);
        let hint = "use default, acceptEdits, plan or bypassPermissions";
        return Err(Failure::new(ErrorKind::BadInput, what).hint(hint).into());
    }
    let setup = setup(&args)?;
    match args.prompt {
        Some(prompt) => repl::once(context, &setup, args.permission_mode, &prompt).await,
        None if args.acp || !std::io::stdin().is_terminal() => {
            let conversations = Conversations::new(paths::state_dir()?.join("agent"));
            let extend = extension::extension(&setup);
            let options = ServeOptions { setup, conversations, mode: args.permission_mode, extend };
            serve(options, tokio::io::stdin(), std::io::stdout()).await.context("the client's input broke")?;
            // Whatever reads the input would keep the process.
            std::process::exit(0)
        }
        None => repl::repl(context, &setup, args.permission_mode).await,
    }
}

fn setup(args: &AgentArgs) -> anyhow::Result<AgentSetup> {
    let mut llm = LlmConfig::default();
    llm.model.clone_from(&args.model);
    llm.effort.clone_from(&args.effort);
    llm.context_window = args.context_window;
    llm.requests_per_minute = args.requests_per_minute;
    llm.tokens_per_minute = args.tokens_per_minute;
    let mut settings = LoopSettings::default();
    if let Some(most) = args.max_turns {
        settings.max_turns = most;
    }
    let mut commands = CommandLimits { shell: args.shell, confine: args.confine, ..CommandLimits::default() };
    if !args.allowed_commands.is_empty() {
        let split = |line: &String| {
            shell_words::split(line).with_context(|| format!("--allow-command cannot be split into words: {line}"))
        };
        commands.allowed = Some(args.allowed_commands.iter().map(split).collect::<anyhow::Result<_>>()?);
    }
    #[cfg(all(target_os = "linux", not(teams_portable)))]
    {
        use crate::daemon::{SHIM_PROGRAM, SHIM_VERB};
        commands.supervision.shim = Some(agent_backends::Command::new(SHIM_PROGRAM).arg(SHIM_VERB));
    }
    // Its commands work for the same member.
    commands.supervision.label = std::env::var(LABEL_VARIABLE).unwrap_or_default();
    let web = match args.web_fetch.is_empty() {
        true => None,
        false => Some(WebHosts::new(&args.web_fetch)?),
    };
    let source_root = args.source_root.clone();
    Ok(AgentSetup { llm, settings, commands, source_root, web, ..AgentSetup::default() })
}
