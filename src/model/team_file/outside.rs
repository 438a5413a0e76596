//! A team file without what reaches outside, for runs that are only tried.

/// The text of a team file without these sections, and with none of these keys of members; members that name a program have this one.
pub(crate) fn without(text: &str, sections: &[&str], keys: &[&str], program: &str) -> Result<String, toml::de::Error> {
    let mut table: toml::Table = toml::from_str(text)?;
    for section in sections {
        table.remove(*section);
    }
    if let Some(run) = table.get_mut("run").and_then(toml::Value::as_table_mut) {
        run.remove("merge");
    }
    if let Some(team) = table.get_mut("team").and_then(toml::Value::as_table_mut) {
        team.remove("checkpoints");
    }
    let simplify = |member: &mut toml::Value| {
        let Some(member) = member.as_table_mut() else { return };
        if member.contains_key("command") {
            member.insert("command".to_owned(), program.into());
        }
        for key in keys {
            member.remove(*key);
        }
    };
    for key in ["defaults", "lead"] {
        table.get_mut(key).into_iter().for_each(simplify);
    }
    table.get_mut("member").and_then(toml::Value::as_array_mut).into_iter().flatten().for_each(simplify);
    // What was read as a table can be written as one.
    Ok(toml::to_string(&table).unwrap_or_default())
}
