//! The user name of a login, in all forms that OceanBase's users type.
//!
//! An OBServer takes `user` and `user@tenant`. Users of ODP type `user@tenant#cluster[:id]`,
//! `user#cluster[:id]` or `cluster:tenant:user` by habit; an OBServer would refuse those.

/// A login's name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginName {
    /// The account's bare name.
    pub user: String,
    /// The tenant that was named, if one was.
    pub tenant: Option<String>,
    /// The cluster that was named, if one was.
    pub cluster: Option<String>,
}

impl LoginName {
    /// Takes a login's name apart. Every text is some name: there is no wrong form.
    pub fn parse(name: &str) -> Self {
        if let [cluster, tenant, user] = name.split(':').collect::<Vec<_>>()[..]
            && !name.contains(['@', '#'])
        {
            return Self {
                user: user.to_owned(),
                tenant: Some(tenant.to_owned()),
                cluster: Some(cluster.to_owned()),
            };
        }
        let (user, rest) = match name.split_once('@') {
            Some((user, rest)) => (user, Some(rest)),
            None => (name, None),
        };
        // The cluster stands behind the tenant or, where none is named, behind the user.
        let (last, cluster) = match rest.unwrap_or(user).split_once('#') {
            Some((last, cluster)) => (last, Some(without_id(cluster).to_owned())),
            None => (rest.unwrap_or(user), None),
        };
        let (user, tenant) = match rest {
            Some(_) => (user, Some(last.to_owned())),
            None => (last, None),
        };
        Self {
            user: user.to_owned(),
            tenant,
            cluster,
        }
    }

    /// Whether it means the sys tenant: named so, or no tenant at all. Tenants' names are case-sensitive.
    pub fn is_sys(&self) -> bool {
        match self.tenant.as_deref() {
            None | Some("sys") => true,
            Some(tenant) => is_diagnostic(tenant),
        }
    }

    /// The name to give to the server: bare, since none means sys; but the diagnostic group of the sys
    /// tenant, which still takes logins when the tenant's own queue is full, must be named.
    pub fn for_server(&self) -> String {
        match self.tenant.as_deref() {
            Some(tenant) if is_diagnostic(tenant) => format!("{}@{tenant}", self.user),
            _ => self.user.clone(),
        }
    }
}

fn is_diagnostic(tenant: &str) -> bool {
    matches!(tenant, "diag" | "sys@diag")
}

/// `cluster:1` without its id.
fn without_id(cluster: &str) -> &str {
    match cluster.rsplit_once(':') {
        Some((name, id)) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => cluster,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_sys_login_is_understood() {
        let table: [(&str, &str, Option<&str>, &str); 10] = [
            ("root", "root", None, "root"),
            ("root@sys", "root", None, "root"),
            ("sys@diag", "sys", None, "sys@diag"),
            ("root@sys@diag", "root", None, "root@sys@diag"),
            ("root@sys#prod2", "root", Some("prod2"), "root"),
            ("root@sys#prod2:1", "root", Some("prod2"), "root"),
            ("prod2:sys:root", "root", Some("prod2"), "root"),
            ("root#prod2", "root", Some("prod2"), "root"),
            ("root#prod2:1", "root", Some("prod2"), "root"),
            ("", "", None, ""),
        ];
        for (typed, user, cluster, for_server) in table {
            let name = LoginName::parse(typed);
            assert!(name.is_sys(), "{typed}");
            assert_eq!(name.user, user, "{typed}");
            assert_eq!(name.cluster.as_deref(), cluster, "{typed}");
            assert_eq!(name.for_server(), for_server, "{typed}");
        }
    }

    #[test]
    fn another_tenant_is_seen() {
        for typed in [
            "root@shop",
            "root@SYS",
            "root@shop#prod",
            "prod:shop:root",
            "root@",
        ] {
            assert!(!LoginName::parse(typed).is_sys(), "{typed}");
        }
    }
}
