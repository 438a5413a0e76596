//! Chooses the backend of a member that is started with backend `auto`. Pure: what is there, and what was measured, is told by whoever asks. It knows
//! neither teams nor processes.
//!
//! A [`BackendRouter`] is given a [`RouteRequest`] and the [`Candidate`]s, and answers one of them with its reason, or nothing: then another router
//! has the say. [`ChainRouter`] asks several, one after the other; [`ChainRouter::usual`] is what is asked where nobody says otherwise:
//!
//! 1. [`NameRouter`]: a member that is called after Claude, Codex or Gemini is one (`codex-tester`);
//! 2. [`ComplexityRouter`]: for simple work the cheapest, and where that does not tell the quickest; for complex work the first in the list;
//! 3. [`OrderRouter`]: the first in the list.
//!
//! All routers of this module answer only candidates that [fit](Candidate::fits): that can be used here, can be asked for the model, and can do what
//! the request needs. What a router of a program's own answers is checked against that, too.
//!
//! ```
//! use agent_teams::BackendType;
//! use agent_teams::routing::{BackendRouter, Candidate, ChainRouter, KeywordRouter, OrderRouter, RouteRequest};
//!
//! let router = ChainRouter::new()
//!     .with(KeywordRouter::new().rule("sql", BackendType::Codex))
//!     .with(OrderRouter);
//! let candidates = [Candidate::usable(BackendType::ClaudeCode), Candidate::usable(BackendType::Codex)];
//! let request = RouteRequest { text: "You tune SQL queries.".to_owned(), ..RouteRequest::default() };
//! let route = router.route(&request, &candidates).expect("one of them");
//! assert_eq!(route.backend, BackendType::Codex);
//! assert_eq!(route.reason, "keyword: its instructions have the word `sql`");
//! ```

mod capability;
mod chain;
mod complexity;
mod figures;
mod keyword;
mod name;
mod router;
mod words;

pub use agent_backends::usual::{Class, USUAL as DEFAULT_TABLE, USUAL_AS_OF as DEFAULT_TABLE_AS_OF, Usual};
pub use capability::CapabilityRouter;
pub use chain::{ChainRouter, OrderRouter};
pub use complexity::{Complexity, ComplexityRouter};
pub use figures::{CostRouter, LatencyRouter};
pub use keyword::KeywordRouter;
pub use name::NameRouter;
pub use router::{AUTO, BackendRouter, Candidate, ENOUGH_TURNS, Measured, Need, Route, RouteRequest, fitting};
