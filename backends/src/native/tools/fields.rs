//! The arguments of a call, which a model has written: what is wrong with one is said by its name, with what was expected.

use serde_json::{Map, Value};

use super::shown::shown;
use crate::native::error::{Error, Result};

/// The arguments of one call. Fields that nobody asks for are ignored, and `null` is as good as nothing.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    tool: &'static str,
    map: Option<&'a Map<String, Value>>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(tool: &'static str, arguments: &'a Value) -> Result<Self> {
        match arguments {
            Value::Object(map) => Ok(Self { tool, map: Some(map) }),
            Value::Null => Ok(Self { tool, map: None }),
            other => Err(Error::tool(tool, format!("the arguments are to be an object, and are {}", kind(other)))),
        }
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.map?.get(name).filter(|value| !value.is_null())
    }

    fn wrong(&self, name: &str, expected: &str, value: &Value) -> Error {
        let text = shown(&value.to_string());
        Error::tool(self.tool, format!("`{name}` is to be {expected}, and is {}: {text}", kind(value)))
    }

    /// A text that has to be there.
    pub(super) fn text(&self, name: &str) -> Result<&'a str> {
        self.optional_text(name)?
            .ok_or_else(|| Error::tool(self.tool, format!("`{name}` is missing; it is to be a text")))
    }

    pub(super) fn optional_text(&self, name: &str) -> Result<Option<&'a str>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, "a text", other)),
        }
    }

    /// A whole number from `least` on. Some models write it as a text, or with a fraction of zero.
    pub(super) fn count(&self, name: &str, least: u64) -> Result<Option<u64>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let whole = |number: f64| (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then_some(number as u64);
        let number = match value {
            Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(whole)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number {
            Some(number) if number >= least => Ok(Some(number)),
            _ => Err(self.wrong(name, &format!("a whole number, {least} or more"), value)),
        }
    }

    /// Yes or no; no unless it is there.
    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        match self.value(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" => Ok(false),
            Some(other) => Err(self.wrong(name, "true or false", other)),
        }
    }

    /// A list of texts.
    pub(super) fn words(&self, name: &str) -> Result<Option<Vec<String>>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let words =
            value.as_array().and_then(|words| words.iter().map(|word| word.as_str().map(str::to_owned)).collect());
        words.map(Some).ok_or_else(|| self.wrong(name, "a list of texts, one for each word", value))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let arguments = json!({ "path": 5, "limit": 0, "all": "maybe", "argv": ["a", 1], "offset": "7", "count": 3.0, "none": null });
        let fields = Fields::of("t", &arguments).unwrap();
        let messages = [
            fields.text("path").unwrap_err().to_string(),
            fields.text("none").unwrap_err().to_string(),
            fields.count("limit", 1).unwrap_err().to_string(),
            fields.flag("all").unwrap_err().to_string(),
            fields.words("argv").unwrap_err().to_string(),
            Fields::of("t", &json!([1])).unwrap_err().to_string(),
        ];
        assert_eq!(
            messages,
            [
                "t: `path` is to be a text, and is a number: 5",
                "t: `none` is missing; it is to be a text",
                "t: `limit` is to be a whole number, 1 or more, and is a number: 0",
                "t: `all` is to be true or false, and is a text: \"maybe\"",
                "t: `argv` is to be a list of texts, one for each word, and is a list: [\"a\",1]",
                "t: the arguments are to be an object, and are a list",
            ]
        );
        assert_eq!((fields.count("offset", 1).unwrap(), fields.count("count", 1).unwrap()), (Some(7), Some(3)));
    }
}
