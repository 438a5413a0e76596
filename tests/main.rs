//! Every test that looks from outside: the binary, its files, its processes, and the library's public face.

#![allow(clippy::panic, clippy::unwrap_used)]

mod acp_agents;
mod agent;
mod agents;
mod appearance;
mod approvals;
mod architecture;
mod asking;
mod bad_input;
mod behaviour;
mod boundaries;
mod checkpoints;
mod claims;
mod claude_files;
mod client;
mod control;
#[path = "../examples/custom_backend.rs"]
#[expect(dead_code, reason = "its main is the example's")]
mod custom_backend;
mod daemon;
mod hooks;
mod library;
mod limits;
mod live;
mod mail;
mod members;
mod native;
mod odd_agents;
mod patterns;
mod pictures;
mod plans;
mod processes;
mod real;
mod recovery;
mod replay;
mod routing;
mod runs;
mod support;
mod surroundings;
mod tools;
mod turns;
mod ui;
mod verbs;
mod watching;
mod web;
mod web_browser;
mod work;
mod worktrees;
