//! Finds users by one of their texts, and lists them in the order of these texts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::model::{User, UserIndex};

/// A text that no two users share.
#[derive(Debug, Clone, Copy)]
pub(crate) enum UserText {
    Username,
    Sub,
}

impl UserText {
    fn of(self, user: &User) -> Cow<'_, str> {
        match self {
            Self::Username => Cow::Borrowed(&user.username),
            Self::Sub => user.sub(),
        }
    }
}

/// The users of a pool by such a text. It finds a user without the order, because most pools of a rehearsal have many
/// users and are never listed: a user gets its place in the order when a list is next requested.
pub(crate) struct UserTable {
    text: UserText,
    /// Holds no texts: they are those of the users.
    found: HashTable<UserIndex>,
    ordered: BTreeMap<Arc<str>, UserIndex>,
    /// Users without a place in the order. Some may be gone.
    unordered: Vec<UserIndex>,
}

impl UserTable {
    pub(crate) fn new(text: UserText) -> Self {
        Self { text, found: HashTable::new(), ordered: BTreeMap::new(), unordered: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    pub(crate) fn get(&self, users: &[User], text: &str) -> Option<UserIndex> {
        self.found.find(xxh3_64(text.as_bytes()), |held| self.text_of(users, *held) == text).copied()
    }

    /// Adds a user whose text no other user has.
    pub(crate) fn insert(&mut self, users: &[User], user_index: UserIndex) {
        let Self { text, found, .. } = self;
        let hash = |held: &UserIndex| xxh3_64(text_of(*text, users, *held).as_bytes());
        found.insert_unique(hash(&user_index), user_index, hash);
        self.unordered.push(user_index);
    }

    /// Removes the user with this text.
    pub(crate) fn remove(&mut self, users: &[User], text: &str) {
        let by = self.text;
        let found = self.found.find_entry(xxh3_64(text.as_bytes()), |held| text_of(by, users, *held) == text);
        if let Ok(entry) = found {
            entry.remove();
        }
        self.ordered.remove(text);
    }

    /// The users in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = UserIndex> {
        self.found.iter().copied()
    }

    /// Gives every user its place in the order.
    pub(crate) fn order(&mut self, users: &[User]) {
        for user_index in std::mem::take(&mut self.unordered) {
            let text = self.text_of(users, user_index);
            if self.get(users, &text) == Some(user_index) {
                let text = text.into_owned();
                self.ordered.insert(text.into(), user_index);
            }
        }
    }

    /// The users in the order of their texts, from a bound on, those excepted that came after [`Self::order`].
    pub(crate) fn from<'a>(&'a self, bound: Bound<&str>) -> impl Iterator<Item = (&'a str, UserIndex)> + use<'a> {
        let users = self.ordered.range::<str, _>((bound, Bound::Unbounded));
        users.map(|(text, user_index)| (&**text, *user_index))
    }

    fn text_of<'a>(&self, users: &'a [User], user_index: UserIndex) -> Cow<'a, str> {
        text_of(self.text, users, user_index)
    }
}

fn text_of(text: UserText, users: &[User], user_index: UserIndex) -> Cow<'_, str> {
    let user = usize::try_from(user_index).ok().and_then(|user_index| users.get(user_index));
    user.map(|user| text.of(user)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Status;
    use crate::random::Rng;

    fn named(name: &str) -> User {
        User {
            username: name.into(),
            given_sub: None,
            email: None,
            created_ms: 0,
            modified_ms: 0,
            identities: Vec::new(),
            extra: None,
            status: Status::Confirmed,
            enabled: true,
        }
    }

    #[test]
    fn users_are_found_and_ordered_as_in_a_tree_of_their_texts() {
        for text in [UserText::Username, UserText::Sub] {
            let mut rng = Rng::new(3);
            let (mut users, mut table, mut tree) = (Vec::new(), UserTable::new(text), BTreeMap::new());
            for step in 0..2_000 {
                let name = format!("user-{}", rng.below(200));
                let key = text.of(&named(&name)).into_owned();
                assert_eq!(table.get(&users, &key), tree.get(&key).copied());
                match rng.below(3) {
                    0 => {
                        table.remove(&users, &key);
                        tree.remove(&key);
                    }
                    // Whoever was removed stays among the users, and may come again as another one.
                    _ if !tree.contains_key(&key) => {
                        let user_index = UserIndex::try_from(users.len()).unwrap();
                        users.push(named(&name));
                        table.insert(&users, user_index);
                        tree.insert(key.clone(), user_index);
                    }
                    _ => {}
                }
                assert_eq!(table.len(), tree.len());
                if step % 100 == 0 {
                    table.order(&users);
                    for from in [Bound::Unbounded, Bound::Included(&*key), Bound::Excluded(&*key)] {
                        let expected = tree.range::<str, _>((from, Bound::Unbounded));
                        let expected: Vec<_> = expected.map(|(text, user_index)| (&**text, *user_index)).collect();
                        assert_eq!(table.from(from).collect::<Vec<_>>(), expected);
                    }
                    let mut held: Vec<_> = table.iter().collect();
                    held.sort_unstable();
                    let mut expected: Vec<_> = tree.values().copied().collect();
                    expected.sort_unstable();
                    assert_eq!(held, expected);
                }
            }
        }
    }
}
