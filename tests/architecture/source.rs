//! Reads a crate's source into a graph: which file names something that is defined in which other file.
//!
//! Every `use` and every path counts, also those inside macros. A name is followed through re-exports to the file that
//! defines it. A declaration `mod x;` is no arrow, and neither is what stands under `#[cfg(test)]`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Attribute, Item, UseTree};

/// A module's place in its crate: the names from the crate's root down.
type Place = Vec<String>;

/// A module with a file of its own.
#[derive(Debug, Default)]
struct Module {
    file: String,
    children: BTreeSet<String>,
    /// What its `use` lines bring in: the name, and where it comes from.
    imports: Vec<(String, Vec<String>)>,
    /// Modules whose whole contents are brought in.
    globs: Vec<Vec<String>>,
    /// All other paths that stand in it.
    paths: BTreeSet<Vec<String>>,
    text: String,
}

/// A crate's files and the arrows between them.
#[derive(Debug)]
pub(super) struct Source {
    modules: BTreeMap<Place, Module>,
}

/// One file names something of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrow {
    /// The file that names it.
    pub(super) from: String,
    /// The file that defines it.
    pub(super) to: String,
    /// What it is called.
    pub(super) name: String,
}

impl Source {
    /// Reads the crate whose root (`lib.rs`) is in `dir`.
    pub(super) fn read(dir: &Path) -> Self {
        let mut modules = BTreeMap::new();
        read_module(dir, &dir.join("lib.rs"), Vec::new(), &mut modules);
        Self { modules }
    }

    /// Each file below the crate's root, with its text.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.modules.values().map(|module| (module.file.as_str(), module.text.as_str()))
    }

    /// Every arrow from one file to another.
    pub(super) fn arrows(&self) -> BTreeSet<Arrow> {
        let mut arrows = BTreeSet::new();
        for (place, module) in &self.modules {
            let imported = module.imports.iter().map(|(_, path)| path);
            for path in imported.chain(&module.paths).chain(&module.globs) {
                let Some(to) = self.absolute(place, path).and_then(|path| self.defined_in(&path, 0)) else { continue };
                if to != module.file {
                    arrows.insert(Arrow { from: module.file.clone(), to, name: path.join("::") });
                }
            }
        }
        arrows
    }

    /// A path from the crate's root; `None` for what another crate has.
    fn absolute(&self, place: &Place, path: &[String]) -> Option<Vec<String>> {
        let module = self.modules.get(place)?;
        let (first, rest) = path.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Vec::new(),
            "self" => place.clone(),
            "super" => place[..place.len().checked_sub(1)?].to_vec(),
            name if module.children.contains(name) => [place.clone(), vec![name.to_owned()]].concat(),
            name => {
                let imported = module.imports.iter().find(|(bound, path)| bound == name && path[0] != *name);
                self.absolute(place, &imported?.1)?
            }
        };
        let mut rest = rest;
        while let Some((next, after)) = rest.split_first().filter(|(next, _)| *next == "super") {
            let _ = next;
            base.pop()?;
            rest = after;
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }

    /// The file that defines what a path from the root names; `None` when that is a module, or not to be found.
    fn defined_in(&self, path: &[String], depth: usize) -> Option<String> {
        if depth > 16 {
            return None;
        }
        let mut place = Vec::new();
        for (at, name) in path.iter().enumerate() {
            let module = self.modules.get(&place)?;
            if module.children.contains(name) {
                place.push(name.clone());
                continue;
            }
            let re_exported = module.imports.iter().find(|(bound, _)| bound == name);
            let Some((_, from)) = re_exported else { return Some(module.file.clone()) };
            let mut target = self.absolute(&place, from)?;
            target.extend_from_slice(&path[at + 1..]);
            return self.defined_in(&target, depth + 1);
        }
        None
    }
}

fn read_module(dir: &Path, file: &Path, place: Place, modules: &mut BTreeMap<Place, Module>) {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let name = file.strip_prefix(dir).expect("below the root").display().to_string();
    let mut module = Module { file: name, text, ..Module::default() };
    let is_folder = ["lib.rs", "mod.rs"].iter().any(|name| file.ends_with(name));
    let below = if is_folder { file.parent().expect("a folder").to_owned() } else { file.with_extension("") };
    let mut children = Vec::new();
    read_items(parsed.items, &mut module, &mut |child| children.push(child));
    for child in children {
        let candidates: [PathBuf; 2] = [below.join(format!("{child}.rs")), below.join(&child).join("mod.rs")];
        let found = candidates.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no file of {child}"));
        module.children.insert(child.clone());
        read_module(dir, &found, [place.clone(), vec![child]].concat(), modules);
    }
    modules.insert(place, module);
}

fn read_items(items: Vec<Item>, module: &mut Module, child: &mut impl FnMut(String)) {
    for item in items {
        match item {
            item if is_test(&item) => {}
            Item::Mod(inner) => match inner.content {
                None => child(inner.ident.to_string()),
                Some((_, items)) => read_items(items, module, child),
            },
            Item::Use(item) => read_use(&item.tree, Vec::new(), module),
            item => read_paths(item.to_token_stream(), &mut module.paths),
        }
    }
}

fn is_test(item: &Item) -> bool {
    let attributes: &[Attribute] = match item {
        Item::Mod(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| attribute.to_token_stream().to_string().replace(' ', "") == "#[cfg(test)]")
}

fn read_use(tree: &UseTree, mut before: Vec<String>, module: &mut Module) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            read_use(&path.tree, before, module);
        }
        UseTree::Name(name) if name.ident == "self" => {
            if let Some(last) = before.last().cloned() {
                module.imports.push((last, before));
            }
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            before.push(name.clone());
            module.imports.push((name, before));
        }
        UseTree::Rename(rename) => {
            before.push(rename.ident.to_string());
            module.imports.push((rename.rename.to_string(), before));
        }
        UseTree::Glob(_) => module.globs.push([before, vec!["*".to_owned()]].concat()),
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| read_use(tree, before.clone(), module));
        }
    }
}

/// Every sequence `a::b::c` in a piece of code, in whatever macro it stands.
fn read_paths(tokens: TokenStream, paths: &mut BTreeSet<Vec<String>>) {
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    end_path(&mut path, paths);
                }
                path.push(ident.to_string());
                colons = 0;
            }
            other => {
                end_path(&mut path, paths);
                colons = 0;
                if let TokenTree::Group(group) = other {
                    read_paths(group.stream(), paths);
                }
            }
        }
    }
    end_path(&mut path, paths);
}

fn end_path(path: &mut Vec<String>, paths: &mut BTreeSet<Vec<String>>) {
    let path = std::mem::take(path);
    if path.len() > 1 {
        paths.insert(path);
    }
}
