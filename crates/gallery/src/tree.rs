//! A sorted map whose copies share what they have in common: a B-tree with copy-on-write nodes. In:
//! keys and values. Out: lookups and ranges; a copy costs nothing, a change of a copy O(log n).
//!
//! Readers hold a copy while a writer changes another. Written here because `imbl` is under the
//! MPL, where everything else in the binary is permissive, and `rpds` spends two allocations per
//! entry.

use std::sync::Arc;

/// Entries of a node at most; a node that outgrows it is split in two.
const MAX_ENTRIES: usize = 32;

#[derive(Debug, Clone)]
enum Node<K, V> {
    Leaf(Vec<(K, V)>),
    /// Children, each with a lower bound of its keys that is above every key of those before it.
    Branch(Vec<(K, Arc<Node<K, V>>)>),
}

/// The map.
#[derive(Debug, Clone)]
pub(crate) struct Tree<K, V> {
    root: Arc<Node<K, V>>,
    len: usize,
}

impl<K, V> Default for Tree<K, V> {
    fn default() -> Tree<K, V> {
        Tree {
            root: Arc::new(Node::Leaf(Vec::new())),
            len: 0,
        }
    }
}

impl<K: Ord + Clone, V: Clone> Tree<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(entries) => {
                    let at = entries.binary_search_by(|(k, _)| k.borrow().cmp(key));
                    return at.ok().map(|at| &entries[at].1);
                }
                Node::Branch(children) => {
                    let after = children.partition_point(|(k, _)| k.borrow() <= key);
                    node = &children[after.checked_sub(1)?].1;
                }
            }
        }
    }

    /// Sets the value of a key; returns the one before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (old, split) = insert(&mut self.root, key, value);
        if let Some((key, right)) = split {
            let left = Arc::clone(&self.root);
            let least = least_key(&left).unwrap_or_else(|| key.clone());
            self.root = Arc::new(Node::Branch(vec![(least, left), (key, right)]));
        }
        self.len += usize::from(old.is_none());
        old
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.get(key)?;
        let removed = remove(&mut self.root, key);
        self.len -= usize::from(removed.is_some());
        while let Node::Branch(children) = &*self.root {
            let only = match &children[..] {
                [] => Arc::new(Node::Leaf(Vec::new())),
                [(_, only)] => Arc::clone(only),
                _ => break,
            };
            self.root = only;
        }
        removed
    }

    /// All entries, ascending.
    pub(crate) fn iter(&self) -> Entries<'_, K, V> {
        Entries {
            path: vec![(&*self.root, 0)],
        }
    }

    /// The entries from a key on, ascending.
    pub(crate) fn from<Q: Ord + ?Sized>(&self, key: &Q) -> Entries<'_, K, V>
    where
        K: std::borrow::Borrow<Q>,
    {
        let (mut node, mut path) = (&*self.root, Vec::new());
        loop {
            match node {
                Node::Leaf(entries) => {
                    let at = entries.partition_point(|(k, _)| k.borrow() < key);
                    path.push((node, at));
                    return Entries { path };
                }
                Node::Branch(children) => {
                    let after = children.partition_point(|(k, _)| k.borrow() <= key);
                    let at = after.saturating_sub(1);
                    path.push((node, at + 1));
                    let Some((_, child)) = children.get(at) else {
                        return Entries { path };
                    };
                    node = child;
                }
            }
        }
    }
}

/// Entries in order; a path of nodes, each with the position of the next entry or child.
pub(crate) struct Entries<'a, K, V> {
    path: Vec<(&'a Node<K, V>, usize)>,
}

impl<'a, K, V> Iterator for Entries<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (node, at) = self.path.last_mut()?;
            let node: &'a Node<K, V> = node;
            match node {
                Node::Leaf(entries) => {
                    if let Some((key, value)) = entries.get(*at) {
                        *at += 1;
                        return Some((key, value));
                    }
                    self.path.pop();
                }
                Node::Branch(children) => match children.get(*at) {
                    Some((_, child)) => {
                        *at += 1;
                        self.path.push((child, 0));
                    }
                    None => drop(self.path.pop()),
                },
            }
        }
    }
}

fn least_key<K: Clone, V>(node: &Node<K, V>) -> Option<K> {
    match node {
        Node::Leaf(entries) => entries.first().map(|e| e.0.clone()),
        Node::Branch(children) => children.first().map(|c| c.0.clone()),
    }
}

/// The upper half of a node that outgrew its size, and its least key.
type Split<K, V> = Option<(K, Arc<Node<K, V>>)>;

fn insert<K: Ord + Clone, V: Clone>(
    node: &mut Arc<Node<K, V>>,
    key: K,
    value: V,
) -> (Option<V>, Split<K, V>) {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => {
            let old = match entries.binary_search_by(|(k, _)| k.cmp(&key)) {
                Ok(at) => return (Some(std::mem::replace(&mut entries[at].1, value)), None),
                Err(at) => {
                    entries.insert(at, (key, value));
                    None
                }
            };
            (
                old,
                split_off(entries).map(|(k, e)| (k, Arc::new(Node::Leaf(e)))),
            )
        }
        Node::Branch(children) => {
            let after = children.partition_point(|(k, _)| *k <= key);
            let at = after.saturating_sub(1);
            if after == 0 {
                children[0].0 = key.clone();
            }
            let (old, split) = insert(&mut children[at].1, key, value);
            if let Some(split) = split {
                children.insert(at + 1, split);
            }
            (
                old,
                split_off(children).map(|(k, c)| (k, Arc::new(Node::Branch(c)))),
            )
        }
    }
}

fn split_off<K: Clone, T>(entries: &mut Vec<(K, T)>) -> Option<(K, Vec<(K, T)>)> {
    if entries.len() <= MAX_ENTRIES {
        return None;
    }
    // Most keys come ascending: a node that grows at its end stays three quarters full.
    let upper = entries.split_off(entries.len() * 3 / 4);
    Some((upper[0].0.clone(), upper))
}

fn remove<K: Ord + Clone, V: Clone>(node: &mut Arc<Node<K, V>>, key: &K) -> Option<V> {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => {
            let at = entries.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
            Some(entries.remove(at).1)
        }
        Node::Branch(children) => {
            let at = children.partition_point(|(k, _)| k <= key).checked_sub(1)?;
            let removed = remove(&mut children[at].1, key);
            let empty = match &*children[at].1 {
                Node::Leaf(entries) => entries.is_empty(),
                Node::Branch(children) => children.is_empty(),
            };
            if empty {
                children.remove(at);
            }
            removed
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_does_what_a_btreemap_does_and_copies_stay_as_they_were(
            steps in proptest::collection::vec((0u16..600, 0u8..3), 1..1500),
        ) {
            let (mut tree, mut map) = (Tree::default(), BTreeMap::new());
            let mut copies = Vec::new();
            for (i, (key, action)) in steps.into_iter().enumerate() {
                if action == 0 {
                    prop_assert_eq!(tree.remove(&key), map.remove(&key));
                } else {
                    prop_assert_eq!(tree.insert(key, i), map.insert(key, i));
                }
                if i % 97 == 0 {
                    copies.push((tree.clone(), map.clone()));
                }
            }
            copies.push((tree, map));
            for (tree, map) in copies {
                prop_assert_eq!(tree.len(), map.len());
                prop_assert!(tree.iter().eq(map.iter()));
                for key in 0..600 {
                    prop_assert_eq!(tree.get(&key), map.get(&key));
                    prop_assert!(tree.from(&key).take(3).eq(map.range(key..).take(3)));
                }
            }
        }
    }
}
