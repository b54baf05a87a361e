//! The address of a camera. In: text. Out: where to connect, and with which login, which is never
//! shown.

use std::fmt;

use url::Url;

/// Where a camera is.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Without its login.
    url: Url,
    login: Option<Login>,
}

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

/// Text that is no address of a camera.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is no address of a camera: it begins with rtsp://, http:// or https://")]
pub struct MalformedAddress {
    shown: String,
}

impl Address {
    /// Understands `rtsp://`, `http://` and `https://` addresses, with `user:password@` or without.
    ///
    /// # Errors
    /// [`MalformedAddress`], which does not tell the login.
    ///
    /// # Example
    /// ```
    /// use fusiform_video::live::Address;
    /// let address = Address::parse("rtsp://ida:secret@door.example:8554/main").unwrap();
    /// assert_eq!(address.to_string(), "rtsp://door.example:8554/main");
    /// assert!(Address::parse("door.example").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Address, MalformedAddress> {
        let malformed = || MalformedAddress {
            shown: text.rsplit('@').next().unwrap_or_default().to_owned(),
        };
        let mut url = Url::parse(text).map_err(|_| malformed())?;
        if !matches!(url.scheme(), "rtsp" | "http" | "https") || !url.has_host() {
            return Err(malformed());
        }
        let decoded = |text: &str| {
            let bytes = percent_encoding::percent_decode_str(text);
            bytes.decode_utf8().map(|text| text.into_owned())
        };
        let login = Login {
            user: decoded(url.username()).map_err(|_| malformed())?,
            password: decoded(url.password().unwrap_or_default()).map_err(|_| malformed())?,
        };
        url.set_username("").map_err(|()| malformed())?;
        url.set_password(None).map_err(|()| malformed())?;
        Ok(Address {
            url,
            login: Some(login).filter(|login| !login.user.is_empty()),
        })
    }

    /// With a login that stands elsewhere.
    pub fn with_login(self, user: &str, password: &str) -> Address {
        Address {
            login: Some(Login {
                user: user.to_owned(),
                password: password.to_owned(),
            }),
            ..self
        }
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    pub(super) fn is_rtsp(&self) -> bool {
        self.url.scheme() == "rtsp"
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_understood_and_never_shown() {
        let address = Address::parse("http://ida%40home:s%3Acret@10.0.0.7/snap.jpg?x=1").unwrap();
        let login = address.login().unwrap();
        assert_eq!((&*login.user, &*login.password), ("ida@home", "s:cret"));
        let shown = format!("{address} {address:?}");
        assert!(!shown.contains("cret") && !shown.contains("ida"), "{shown}");
        for text in [
            "ftp://ida:secret@a/b",
            "ida:secret@a",
            "rtsp://",
            "",
            "rtsp:///x",
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
