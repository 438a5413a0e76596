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

/// Whether a command runs what begins with these words, behind a path, assignments and wrappers too.
pub(super) fn runs(command: &str, prefix: &str) -> Runs {
    let words: Vec<&str> = command.split_whitespace().collect();
    let wanted: Vec<&str> = prefix.split_whitespace().collect();
    let Some((program, arguments)) = wanted.split_first() else { return Runs::Yes };
    let is_program = |word: &str| word == *program || base_name(word) == base_name(program);
    let begins = |words: &[&str]| {
        words.split_first().is_some_and(|(first, rest)| is_program(first) && rest.starts_with(arguments))
    };
    if begins(&words) {
        return Runs::Yes;
    }
    if !is_plain(command) {
        return Runs::Perhaps;
    }
    let Some((first, rest)) = words.split_first() else { return Runs::No };
    let is_wrapped = first.contains('=') || WRAPPERS.contains(&base_name(first));
    if is_wrapped && (0..rest.len()).any(|at| begins(&rest[at..])) {
        return Runs::Yes;
    }
    // Options may stand between a program and the word that makes the difference.
    let has_options = is_program(first) && rest.first().is_some_and(|word| word.starts_with('-'));
    // Whatever the first program is, it may run another one that it is given.
    let names_it =
        rest.iter().any(|word| is_program(word)) || (is_wrapped && rest.iter().any(|word| word.contains(program)));
    if has_options || names_it { Runs::Perhaps } else { Runs::No }
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
            ("sh -c 'git push'", Runs::Perhaps),
            ("unheard-of git push", Runs::Perhaps),
            ("git -C . push", Runs::Perhaps),
            ("true; git push", Runs::Perhaps),
            ("\\git push", Runs::Perhaps),
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
