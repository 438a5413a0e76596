//! A command by its words: whether it runs what a rule names, however it is written.

/// Whether a command runs a program with these first arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Runs {
    /// It does not.
    No,
    /// Nobody knows without a shell, or without knowing what another program does with its arguments.
    Perhaps,
    /// It does.
    Yes,
}

/// Programs that run what their arguments name.
const WRAPPERS: &[&str] = &[
    "builtin", "busybox", "chroot", "command", "doas", "env", "exec", "flock", "ionice", "nice", "nohup", "parallel",
    "setsid", "stdbuf", "strace", "su", "sudo", "time", "timeout", "toybox", "unshare", "watch", "xargs",
];

/// Whether the words of a command are all that there is to it: a shell makes nothing else of them.
pub(super) fn is_plain(command: &str) -> bool {
    // A shell takes no other gaps than these, and keeps the rest within a word.
    let is_odd_gap = |char: char| !matches!(char, ' ' | '\t') && (char.is_whitespace() || char.is_control());
    !command.contains(is_odd_gap)
        && !command.contains([
            ';', '&', '|', '<', '>', '`', '$', '(', ')', '{', '}', '\n', '\r', '\\', '*', '?', '[', '~', '#', '!',
            '\'', '"',
        ])
}

/// Whether a command is plain and begins with these words, letter for letter.
pub(super) fn begins_with(command: &str, prefix: &str) -> bool {
    let mut words = command.split_whitespace();
    is_plain(command) && prefix.split_whitespace().all(|word| words.next() == Some(word))
}

/// Whether a command runs what begins with these words: behind a path, assignments and wrappers, and within what a shell is given. Of
/// several commands in a line nobody knows: what they come to is for a person to read.
pub(super) fn runs(command: &str, prefix: &str) -> Runs {
    let wanted: Vec<&str> = prefix.split_whitespace().collect();
    let Some((program, arguments)) = wanted.split_first() else { return Runs::Yes };
    let wanted = Wanted { program, arguments };
    let words: Vec<&str> = command.split_whitespace().collect();
    if wanted.begins(&words) || wanted.is_in(command, NESTED) {
        return Runs::Yes;
    }
    if !is_plain(command) {
        return Runs::Perhaps;
    }
    let Some((first, rest)) = words.split_first() else { return Runs::No };
    // Options may stand between a program and the word that makes the difference.
    let has_options = wanted.is_program(first) && rest.first().is_some_and(|word| word.starts_with('-'));
    // Whatever the first program is, it may run another one that it is given.
    let is_wrapped = first.contains('=') || WRAPPERS.contains(&base_name(first));
    let names_it = rest.iter().any(|word| wanted.is_program(word))
        || (is_wrapped && rest.iter().any(|word| word.contains(program)));
    if has_options || names_it { Runs::Perhaps } else { Runs::No }
}

/// How deep a command is looked for within commands that shells are given.
const NESTED: u8 = 4;

/// What a rule names.
struct Wanted<'a> {
    program: &'a str,
    arguments: &'a [&'a str],
}

impl Wanted<'_> {
    fn is_program(&self, word: &str) -> bool {
        word == self.program || base_name(word) == base_name(self.program)
    }

    fn begins(&self, words: &[&str]) -> bool {
        words.split_first().is_some_and(|(first, rest)| self.is_program(first) && rest.starts_with(self.arguments))
    }

    /// Whether a command line is this command and nothing else.
    fn is_in(&self, line: &str, nested: u8) -> bool {
        let words = only_command(line).unwrap_or_default();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.is_run_by(&words, nested)
    }

    /// Whether these words run it.
    fn is_run_by(&self, words: &[&str], nested: u8) -> bool {
        let Some((first, rest)) = words.split_first() else { return false };
        if self.begins(words) {
            return true;
        }
        let Some(nested) = nested.checked_sub(1) else { return false };
        match base_name(first) {
            "eval" => self.is_in(&rest.join(" "), nested),
            "sh" | "bash" | "zsh" | "dash" | "ksh" | "ash" => {
                let is_c = |word: &&str| word.starts_with('-') && !word.starts_with("--") && word.contains('c');
                let command = rest.iter().position(is_c).and_then(|at| rest[at + 1..].first());
                command.is_some_and(|command| self.is_in(command, nested))
            }
            name if first.contains('=') || WRAPPERS.contains(&name) => {
                (0..rest.len()).any(|at| self.is_run_by(&rest[at..], nested))
            }
            _ => false,
        }
    }
}

/// The words of a command line without their quotes, if it is one command; nothing in it is expanded.
fn only_command(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (Some(open), char) if open == char => quote = None,
            (Some('"') | None, '\\') => {
                word.get_or_insert_default().extend(chars.next().filter(|char| *char != '\n'));
            }
            (None, '\'' | '"') => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t' | '<' | '>') => words.extend(word.take()),
            (None, ';' | '&' | '|' | '\n' | '(' | ')' | '{' | '}' | '`' | '#') => return None,
            (_, char) => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    Some(words)
}

fn base_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_found_behind_wrappers() {
        for (command, expected) in [
            ("git push", Runs::Yes),
            ("/usr/bin/git push --all", Runs::Yes),
            ("env git push", Runs::Yes),
            ("FOO=1 BAR=2 git push", Runs::Yes),
            ("timeout -k 5 9 git push", Runs::Yes),
            ("command git push", Runs::Yes),
            ("nohup nice -n 5 git push", Runs::Yes),
            ("sudo -u x /bin/git push", Runs::Yes),
            ("xargs git push", Runs::Yes),
            ("/usr/bin/env FOO=1 git push", Runs::Yes),
            ("git push && true", Runs::Yes),
            ("env -Sgit push", Runs::Perhaps),
            ("sh -c 'git push'", Runs::Yes),
            ("sudo -u x bash -ec \"'git' push\"", Runs::Yes),
            ("bash -ec \"cd /x && git push\"", Runs::Perhaps),
            ("sh -c \"sh -c 'git push'\"", Runs::Yes),
            ("eval 'git push'", Runs::Yes),
            ("echo $(git push)", Runs::Perhaps),
            ("'git' push", Runs::Yes),
            ("git push>x", Runs::Yes),
            ("cat <<E\ngit push\nE", Runs::Perhaps),
            ("echo 'a; git push'", Runs::Perhaps),
            ("sh -c", Runs::No),
            ("$X push", Runs::Perhaps),
            ("unheard-of git push", Runs::Perhaps),
            ("git -C . push", Runs::Perhaps),
            ("true; git push", Runs::Perhaps),
            ("\\git push", Runs::Yes),
            ("git status", Runs::No),
            ("env FOO=1 cargo test", Runs::No),
            ("timeout 9 cargo test", Runs::No),
            ("", Runs::No),
            (" ", Runs::No),
            // For a shell that is a program's name.
            (" \u{c}", Runs::Perhaps),
        ] {
            assert_eq!(runs(command, "git push"), expected, "{command}");
        }
        assert_eq!(runs("rm x", "/bin/rm"), Runs::Yes);
        assert_eq!(runs("anything", " "), Runs::Yes);
    }
}
