//! Keeps the values of secrets out of what is written and shown: transcripts, states, logs. What an agent says may have them
//! in it, because its tools can read its environment. What that costs depends on the text, and not on how many secrets there are.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Shorter values are too likely to be something else.
const SHORTEST: usize = 8;
/// Parts of the names of variables whose values are secrets.
const TELLING: [&str; 9] = ["PASS", "PWD", "TOKEN", "SECRET", "KEY", "DSN", "CREDENTIAL", "AUTH", "COOKIE"];
/// Names that have such a part, and no secret: folders, and programs that ask for a password.
const HARMLESS: [&str; 4] = ["PWD", "OLDPWD", "SSH_ASKPASS", "GIT_ASKPASS"];
/// Base64 is often written in lines of 76 characters, which stand for so many bytes.
const BASE64_LINE: usize = 57;

/// Knows the secrets that agents were given, in memory only.
#[derive(Default)]
pub struct Redactor(RwLock<Known>);

/// The secrets, and what finds them.
#[derive(Default)]
struct Known {
    /// Each form of a secret, with the name of the variable that it is the value of.
    forms: BTreeMap<String, String>,
    /// Secrets of which each replaces the one before: whose they are, and their forms.
    replaced: HashMap<String, Vec<String>>,
    finder: Option<Finder>,
}

struct Finder {
    all: AhoCorasick,
    /// By the number of the form.
    names: Vec<String>,
    /// The bytes that forms begin with.
    first_bytes: [bool; 256],
    longest: usize,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

/// Why a variable is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was in the shell's environment: its name tells whether it is a secret, or its value is an address with a password in it.
    Shell,
    /// Somebody gave it to this agent: it is one.
    Given,
}

impl Redactor {
    /// Learns what is secret of an agent's variables.
    pub(crate) fn learn<'a>(&self, variables: impl Iterator<Item = (&'a String, &'a String)>, origin: Origin) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.forms.len();
        for (name, value) in variables {
            let is_secret = origin == Origin::Given || tells_of_a_secret(name, value);
            let forms = if is_secret { forms(value) } else { Vec::new() };
            for form in forms.into_iter().chain(passwords_in(value)) {
                known.forms.entry(form).or_insert_with(|| name.clone());
            }
        }
        if known.forms.len() != before {
            known.find_anew();
        }
    }

    /// Learns values that are secret, each under the name that stands in its place from then on.
    pub fn learn_secrets<'a>(&self, secrets: impl Iterator<Item = (&'a String, &'a String)>) {
        self.learn(secrets, Origin::Given);
    }

    /// Learns a secret that takes the place of the one that its owner had before, which is worth nothing any more.
    pub(crate) fn learn_instead(&self, owner: &str, name: &str, value: &str) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let new = forms(value);
        for old in known.replaced.insert(owner.to_owned(), new.clone()).unwrap_or_default() {
            known.forms.remove(&old);
        }
        known.forms.extend(new.into_iter().map(|form| (form, name.to_owned())));
        known.find_anew();
    }

    /// Forgets the secrets of owners whose names begin like this: they are worth nothing any more.
    pub(crate) fn forget_owners(&self, beginning: &str) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<_> = known.replaced.extract_if(|owner, _| owner.starts_with(beginning)).collect();
        if !gone.is_empty() {
            for form in gone.into_iter().flat_map(|(_, forms)| forms) {
                known.forms.remove(&form);
            }
            known.find_anew();
        }
    }

    /// The text with the names of secrets in the places of their values.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(finder) = &known.finder else { return Cow::Borrowed(text) };
        let mut redacted = String::new();
        let mut copied = 0;
        for found in finder.all.find_iter(text) {
            redacted.push_str(&text[copied..found.start()]);
            redacted.push_str(&format!("[{} redacted]", finder.names[found.pattern().as_usize()]));
            copied = found.end();
        }
        if copied == 0 {
            return Cow::Borrowed(text);
        }
        redacted.push_str(&text[copied..]);
        Cow::Owned(redacted)
    }

    /// How many bytes at the end of a text may be the beginning of a secret whose rest comes with the next piece.
    pub(crate) fn unsure(&self, text: &str) -> usize {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(finder) = &known.finder else { return 0 };
        let earliest = text.len().saturating_sub(finder.longest - 1);
        let may_begin =
            |at: &usize| finder.first_bytes[usize::from(text.as_bytes()[*at])] && text.is_char_boundary(*at);
        let begins = |at: &usize| {
            let end = &text[*at..];
            // The forms are in order: one that begins like this stands right behind it.
            let next = known.forms.range::<str, _>((std::ops::Bound::Excluded(end), std::ops::Bound::Unbounded)).next();
            next.is_some_and(|(form, _)| form.starts_with(end))
        };
        // What is a secret already stays whole, though its end may be the beginning of the next one.
        let found = LazyCell::new(|| finder.all.find_iter(text).map(|found| found.range()).collect::<Vec<_>>());
        let is_within = |at: &usize| found.iter().any(|found| found.start < *at && *at < found.end);
        let place = (earliest..text.len()).filter(may_begin).filter(begins).find(|at| !is_within(at));
        place.map_or(0, |at| text.len() - at)
    }
}

impl Known {
    fn find_anew(&mut self) {
        let all = match self.forms.is_empty() {
            true => None,
            // Only more secrets than fit into memory cannot be looked for.
            false => AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(self.forms.keys()).ok(),
        };
        let mut first_bytes = [false; 256];
        self.forms.keys().filter_map(|form| form.bytes().next()).for_each(|byte| first_bytes[usize::from(byte)] = true);
        let longest = self.forms.keys().map(String::len).max().unwrap_or(1);
        let names = self.forms.values().cloned().collect();
        self.finder = all.map(|all| Finder { all, names, first_bytes, longest });
    }
}

/// Whether a variable of a shell is a secret.
fn tells_of_a_secret(name: &str, value: &str) -> bool {
    let name = name.to_uppercase();
    let is_access_token = name.split('_').any(|word| word.ends_with("PAT") && word != "COMPAT");
    let telling = is_access_token || TELLING.iter().any(|part| name.contains(part));
    // A place to look for one, as the socket of an agent for keys.
    let is_place = value.starts_with('/') && std::path::Path::new(value).exists();
    telling && !HARMLESS.contains(&name.as_str()) && !is_place
}

/// How a value may be written: each line of it, as it is, in JSON, and in base64.
fn forms(value: &str) -> Vec<String> {
    let mut forms = Vec::new();
    let lines = value.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    for line in lines {
        let quoted = serde_json::to_string(line).unwrap_or_default();
        forms.push(line.to_owned());
        forms.push(quoted.trim_matches('"').to_owned());
    }
    // With or without an end of a line behind it, which changes the last characters only.
    let whole = value.len() - value.len() % 3;
    for part in value.as_bytes()[..whole].chunks(BASE64_LINE) {
        forms.push(STANDARD.encode(part));
    }
    if value.len() >= SHORTEST {
        forms.push(STANDARD.encode(&value.as_bytes()[..whole]));
        forms.push(STANDARD.encode(value));
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

/// The passwords of addresses (`scheme://user:password@host`), whatever the variable is called.
fn passwords_in(value: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = value;
    while let Some(at) = rest.find("://") {
        rest = &rest[at + 3..];
        let authority = &rest[..rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len())];
        let Some((user, _)) = authority.rsplit_once('@') else { continue };
        let Some((_, password)) = user.split_once(':').filter(|(_, password)| !password.is_empty()) else { continue };
        // A short one is known by what stands around it.
        found.push(format!(":{password}@"));
        if password.len() >= SHORTEST {
            found.extend(forms(password));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn learn(redactor: &Redactor, variables: &[(&str, &str)], origin: Origin) {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        redactor.learn(variables.iter().map(|(name, value)| (name, value)), origin);
    }

    fn redactor() -> Redactor {
        let redactor = Redactor::default();
        let shell = [("API_KEY", "sesame-open-1"), ("HOME", "/home/somebody"), ("MY_TOKEN", "short")];
        learn(&redactor, &shell, Origin::Shell);
        learn(&redactor, &[("PHRASE", "two \"quoted\" words")], Origin::Given);
        redactor
    }

    #[test]
    fn values_of_secrets_become_their_names() {
        let cases = [
            ("key=sesame-open-1;", "key=[API_KEY redacted];"),
            ("sesame-open-1sesame-open-1", "[API_KEY redacted][API_KEY redacted]"),
            (r#"{"text":"two \"quoted\" words"}"#, r#"{"text":"[PHRASE redacted]"}"#),
            ("short /home/somebody", "short /home/somebody"),
        ];
        for (text, expected) in cases {
            assert_eq!(redactor().redact(text), expected);
        }
    }

    #[test]
    fn names_tell_what_is_secret() {
        for name in [
            "PGPASSWORD",
            "MYSQL_PWD",
            "GITHUB_PAT",
            "GITHUBPAT",
            "OPENAI_API_KEY",
            "apikey",
            "SENTRY_DSN",
            "MY_SECRETS",
            "NPM_TOKEN",
            "AUTH_HEADER",
            "SESSION_COOKIE",
            "AWS_CREDENTIALS",
        ] {
            assert!(tells_of_a_secret(name, "some value"), "{name}");
        }
        for (name, value) in [
            ("PATH", "/usr/bin:/bin"),
            ("PWD", "/tmp"),
            ("OLDPWD", "/nowhere"),
            ("CLASSPATH", "x.jar:y.jar"),
            ("MANPATH", "/usr/share"),
            ("COMPAT", "something"),
            ("SSH_AUTH_SOCK", "/tmp"),
            ("SSH_ASKPASS", "/usr/lib/askpass"),
            ("EDITOR", "some value"),
        ] {
            assert!(!tells_of_a_secret(name, value), "{name}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_one() {
        let redactor = Redactor::default();
        let shell = [("DATABASE_URL", "postgres://me:pw@host:5432/db"), ("PROXY", "http://u:longer-password@proxy/")];
        learn(&redactor, &shell, Origin::Shell);
        assert_eq!(
            redactor.redact("at postgres://me:pw@host:5432/db"),
            "at postgres://me[DATABASE_URL redacted]host:5432/db"
        );
        assert_eq!(redactor.redact("it is longer-password"), "it is [PROXY redacted]");
        assert_eq!(redactor.redact("no pw here: a:b@c"), "no pw here: a:b@c");
    }

    #[test]
    fn each_line_of_a_value_and_its_base64_are_secret() {
        let key = "-----BEGIN KEY-----\nfirst-line-of-it\nsecond-line-of-it\n-----END KEY-----\n";
        let redactor = Redactor::default();
        learn(&redactor, &[("SSH_KEY", key), ("API_TOKEN", "a-token-of-mine")], Origin::Shell);
        assert_eq!(redactor.redact("cat: second-line-of-it"), "cat: [SSH_KEY redacted]");
        let in_json = serde_json::to_string(key).unwrap();
        let redacted = redactor.redact(&in_json).into_owned();
        assert!(!redacted.contains("first-line") && !redacted.contains("second-line"), "{redacted}");
        for text in ["a-token-of-mine", "a-token-of-mine\n", key] {
            let encoded = STANDARD.encode(text);
            let redacted = redactor.redact(&encoded).into_owned();
            assert!(redacted.contains("redacted]") && redacted.len() < 40, "{encoded}: {redacted}");
            let lines: Vec<&str> =
                (0..encoded.len()).step_by(76).map(|at| &encoded[at..(at + 76).min(encoded.len())]).collect();
            let redacted = redactor.redact(lines[0]).into_owned();
            assert!(redacted.contains("redacted]"), "{lines:?}: {redacted}");
        }
    }

    #[test]
    fn a_secret_that_replaces_another_takes_its_place() {
        let redactor = redactor();
        let before = redactor.0.read().unwrap().forms.len();
        for number in 0..100 {
            redactor.learn_instead("team/member", "TOKEN", &format!("the-token-{number:03}"));
        }
        redactor.learn_instead("team/other", "TOKEN", "the-other-token");
        assert_eq!(redactor.redact("the-token-099 the-other-token"), "[TOKEN redacted] [TOKEN redacted]");
        assert_eq!(redactor.redact("the-token-098"), "the-token-098");
        let forms = redactor.0.read().unwrap().forms.len();
        assert!(forms < 30, "{forms}");
        redactor.forget_owners("team/");
        assert_eq!(redactor.redact("the-token-099"), "the-token-099");
        assert_eq!(redactor.0.read().unwrap().forms.len(), before);
    }

    #[test]
    fn a_secret_that_comes_in_pieces_is_waited_for() {
        for (text, unsure) in [("the key is sesame-", 7), ("s", 1), ("sesame-open-1", 0), ("nothing", 0), ("ä", 0)] {
            assert_eq!(redactor().unsure(text), unsure, "{text}");
        }
    }

    #[test]
    fn a_secret_that_ends_as_it_begins_is_not_cut() {
        let redactor = Redactor::default();
        learn(&redactor, &[("KEY", "abcdefab"), ("LONG", "abcdefabcdefgh")], Origin::Given);
        for (text, unsure) in [("abcdefab", 8), ("x abcdefabx", 0), ("abcdefabab", 2), ("abcdefabcdefgh a", 1)] {
            assert_eq!(redactor.unsure(text), unsure, "{text}");
        }
        let other = Redactor::default();
        learn(&other, &[("KEY", "abcdefab")], Origin::Given);
        assert_eq!((other.unsure("abcdefab"), other.unsure("x abcdefaba")), (0, 1));
    }

    proptest! {
        /// However a text is cut, what comes out has no secret in it, and is the same as of the whole text.
        #[test]
        fn no_cut_lets_a_secret_through(
            secrets in prop::collection::vec("[ab]{8,12}", 1..5), text in "[ab ]{0,60}", cuts in prop::collection::vec(0usize..60, 0..8)
        ) {
            let redactor = Redactor::default();
            let named: Vec<_> = secrets.iter().map(|secret| ("KEY", secret.as_str())).collect();
            learn(&redactor, &named, Origin::Given);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(text.len())).collect();
            cuts.sort_unstable();
            cuts.push(text.len());
            let (mut held, mut out, mut from) = (String::new(), String::new(), 0);
            for cut in cuts {
                held.push_str(&text[from..cut]);
                from = cut;
                let rest = held.split_off(held.len() - redactor.unsure(&held));
                out.push_str(&redactor.redact(&std::mem::replace(&mut held, rest)));
            }
            out.push_str(&redactor.redact(&held));
            for secret in &secrets {
                prop_assert!(!out.contains(secret.as_str()), "{out}");
            }
        }
    }
}
