//! Arguments as clients send them: some write lists, objects, numbers and booleans as texts, and ids as numbers. What has one meaning
//! only for the tool's schema is taken so; anything else stays as it is, and is refused with words.

use serde_json::{Map, Value};

/// The arguments of a tool, as its schema has them.
pub(super) fn fit(arguments: Map<String, Value>, schema: &Map<String, Value>) -> Map<String, Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let of = |name: &str| properties.and_then(|properties| properties.get(name));
    let fitted = arguments.into_iter().filter_map(|(name, value)| match of(&name) {
        // What is null is not given, where null says nothing else.
        Some(schema) if value.is_null() && !accepts(schema, "null") => None,
        Some(schema) => Some((name, fit_value(value, schema))),
        None => Some((name, value)),
    });
    fitted.collect()
}

fn fit_value(value: Value, schema: &Value) -> Value {
    match value {
        Value::String(text) => fit_text(text, schema),
        Value::Number(number) if !accepts(schema, "number") && !accepts(schema, "integer") => {
            if accepts(schema, "string") { Value::String(number.to_string()) } else { Value::Number(number) }
        }
        Value::Number(number) if !accepts(schema, "number") => whole(&number).unwrap_or(Value::Number(number)),
        Value::Array(list) => match items(schema) {
            Some(items) => Value::Array(list.into_iter().map(|element| fit_value(element, items)).collect()),
            None => Value::Array(list),
        },
        value => value,
    }
}

fn fit_text(text: String, schema: &Value) -> Value {
    let parsed = || serde_json::from_str::<Value>(text.trim()).ok();
    // No name begins like a list.
    if let Some(Value::Array(list)) = parsed().filter(|_| accepts(schema, "array")) {
        return fit_value(Value::Array(list), schema);
    }
    if accepts(schema, "string") {
        return Value::String(text);
    }
    let kind = match parsed() {
        Some(Value::Object(_)) => "object",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) if accepts(schema, "number") => "number",
        Some(Value::Number(_)) if !accepts(schema, "array") => "integer",
        Some(Value::Null) => "null",
        _ => "",
    };
    match parsed().filter(|_| accepts(schema, kind)) {
        Some(value) => fit_value(value, schema),
        None if accepts(schema, "array") => fit_value(Value::Array(vec![Value::String(text)]), schema),
        None => Value::String(text),
    }
}

/// A number without a fraction, as one.
fn whole(number: &serde_json::Number) -> Option<Value> {
    let float =
        number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && (0.0..9e15).contains(float))?;
    format!("{float:.0}").parse::<u64>().ok().map(Value::from)
}

/// Whether values of this JSON type fit; where nothing is said, all do.
fn accepts(schema: &Value, kind: &str) -> bool {
    let Some(object) = schema.as_object() else { return true };
    if let Some(choices) = choices(object) {
        return choices.iter().any(|choice| accepts(choice, kind));
    }
    match object.get("type") {
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(several)) => several.iter().any(|one| one == kind),
        _ => object.get("enum").is_none() || kind == "string",
    }
}

fn choices(schema: &Map<String, Value>) -> Option<&Vec<Value>> {
    ["anyOf", "oneOf"].iter().find_map(|key| schema.get(*key)?.as_array())
}

fn items(schema: &Value) -> Option<&Value> {
    let object = schema.as_object()?;
    let among = || choices(object)?.iter().find_map(items);
    object.get("items").or_else(among)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_has_one_meaning_is_taken_so() {
        let schema = json!({"properties": {
            "id": {"type": "string"}, "ids": {"type": "array", "items": {"type": "string"}}, "flag": {"type": "boolean"},
            "count": {"type": ["integer", "null"]}, "object": {"type": ["object", "null"]}, "any": {"description": "any"},
            "to": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            "status": {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
        }});
        let schema = schema.as_object().unwrap();
        for (given, expected) in [
            (json!({"id": 1}), json!({"id": "1"})),
            (json!({"id": "[1]"}), json!({"id": "[1]"})),
            (json!({"ids": "[\"1\", 2]"}), json!({"ids": ["1", "2"]})),
            (json!({"ids": "1"}), json!({"ids": ["1"]})),
            (json!({"ids": [1, "2"]}), json!({"ids": ["1", "2"]})),
            (json!({"flag": "false"}), json!({"flag": false})),
            (json!({"flag": "yes"}), json!({"flag": "yes"})),
            (json!({"flag": null, "id": null}), json!({})),
            (json!({"count": "7"}), json!({"count": 7})),
            (json!({"count": 7.0}), json!({"count": 7})),
            (json!({"count": "7.5"}), json!({"count": 7.5})),
            (json!({"object": "{\"k\": 1}"}), json!({"object": {"k": 1}})),
            (json!({"object": "text"}), json!({"object": "text"})),
            (json!({"any": "{\"k\": 1}"}), json!({"any": "{\"k\": 1}"})),
            (json!({"any": null}), json!({"any": null})),
            (json!({"to": "[\"a\", \"b\"]"}), json!({"to": ["a", "b"]})),
            (json!({"to": "a"}), json!({"to": "a"})),
            (json!({"status": "a"}), json!({"status": "a"})),
            (json!({"unheard": 7}), json!({"unheard": 7})),
        ] {
            let fitted = fit(given.as_object().unwrap().clone(), schema);
            assert_eq!(Value::Object(fitted), expected, "{given}");
        }
    }
}
