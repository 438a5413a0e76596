//! Deserialisers for what only decorates a message: figures, names, summaries. What is not of the expected type is taken for absent, so
//! that it never costs the message that it stands in.

use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A field of any type: its default where it cannot be read.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or_default())
}

/// The elements of a list that can be read; none where it is no list.
pub(crate) fn each<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let raw: Vec<Box<RawValue>> = lenient(deserializer)?;
    Ok(raw.iter().filter_map(|element| serde_json::from_str(element.get()).ok()).collect())
}

/// A text, or what stands in its place as JSON; `None` for null.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(text_of(&raw))
}

/// The same for each element of a list; something else than a list is one element.
pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let list: Vec<Box<RawValue>> = serde_json::from_str(raw.get()).unwrap_or_else(|_| vec![raw]);
    Ok(list.iter().filter_map(|element| text_of(element)).collect())
}

/// What a value says: a text itself, an object its `message` or `error`, anything else its JSON.
fn text_of(raw: &RawValue) -> Option<String> {
    match serde_json::from_str(raw.get()) {
        Ok(serde_json::Value::Null) => None,
        Ok(serde_json::Value::String(text)) => Some(text),
        Ok(serde_json::Value::Object(object)) => {
            let said = ["message", "error", "text"].iter().find_map(|key| object.get(*key)?.as_str());
            Some(said.map_or_else(|| raw.get().to_owned(), str::to_owned))
        }
        _ => Some(raw.get().to_owned()),
    }
}

/// An error of any form: what it says, and the object that it is, if it is one.
pub(crate) fn failure<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<(String, serde_json::Value)>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(text_of(&raw).map(|message| (message, serde_json::from_str(raw.get()).unwrap_or_default())))
}

/// The id of a message, which has to be given back as it came: a text mostly, by the protocols.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct MessageId(Box<RawValue>);

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        if raw.get() == "null" { Err(D::Error::custom("an id is not null")) } else { Ok(Self(raw)) }
    }
}

impl MessageId {
    /// Its text, or its JSON where it is none.
    pub(crate) fn text(&self) -> String {
        serde_json::from_str(self.0.get()).unwrap_or_else(|_| self.0.get().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Sample {
        #[serde(deserialize_with = "lenient")]
        figure: Option<u64>,
        #[serde(deserialize_with = "lenient")]
        name: Option<String>,
        #[serde(deserialize_with = "each")]
        list: Vec<u8>,
        #[serde(deserialize_with = "text")]
        said: Option<String>,
        #[serde(deserialize_with = "texts")]
        errors: Vec<String>,
    }

    #[test]
    fn what_cannot_be_read_is_absent() {
        for figure in ["null", "2.5", "-1", "\"7\"", "[]", "{}", "1e999", "true", "99999999999999999999"] {
            let sample: Sample = serde_json::from_str(&format!("{{\"figure\":{figure},\"name\":\"n\"}}")).unwrap();
            assert_eq!((sample.figure, sample.name.as_deref()), (None, Some("n")), "{figure}");
        }
        let text = r#"{"figure":7,"name":3,"list":[1,"x",300,null,2],"said":{"message":"no"},"errors":["a",{"error":"b"},7,null]}"#;
        let sample: Sample = serde_json::from_str(text).unwrap();
        assert_eq!((sample.figure, sample.name, sample.list), (Some(7), None, vec![1, 2]));
        assert_eq!((sample.said.as_deref(), sample.errors), (Some("no"), vec!["a".into(), "b".into(), "7".into()]));
        let sample: Sample = serde_json::from_str(r#"{"list":{},"said":null,"errors":"one"}"#).unwrap();
        assert_eq!((sample.list, sample.said, sample.errors), (Vec::new(), None, vec!["one".to_owned()]));
    }
}
