//! The way to AWS that companies have: proxies, certificates, endpoints, credentials; and servers with which nothing works.
//!
//! Goal: what the environment and the AWS configuration say is done, or refused in words that say what to change. Method:
//! the built program, through a proxy on loopback that leads every host to a simulator behind TLS.

use std::process::Command;

use super::harness::{
    Authority, ConnectProxy, Fate, Finished, Home, POOL, Proxy, Running, Simulator, TlsServer, csv, give_credentials,
    pairs, pool_file,
};

const AWS_POOL: &str = "us-east-1_Network01";
const COGNITO: &str = "cognito-idp.us-east-1.amazonaws.com";
/// Names of AWS, for which the certificate of these tests is.
const AWS_NAMES: [&str; 8] = [
    COGNITO,
    "cognito-idp-fips.us-east-1.amazonaws.com",
    "cognito-idp.cn-north-1.amazonaws.com.cn",
    "cognito-idp.cn-north-1.api.amazonwebservices.com.cn",
    "cognito-idp.us-gov-west-1.amazonaws.com",
    "cognito-idp-fips.us-gov-west-1.amazonaws.com",
    "servicequotas.us-east-1.amazonaws.com",
    "sts.us-east-1.amazonaws.com",
];

/// A company's network, with a simulator in the place of AWS.
struct Company {
    home: Home,
    simulator: Simulator,
    authority: Authority,
    server: TlsServer,
    proxy: ConnectProxy,
}

impl Company {
    fn new() -> Self {
        Self::with_certificate_for(&AWS_NAMES)
    }

    fn with_certificate_for(names: &[&str]) -> Self {
        let home = Home::new();
        home.write("aws.json", pool_file(&[]).replace(POOL, AWS_POOL));
        let mut options =
            vec!["--pool-file", "aws.json", "--create-on-reference", "--latency", "off", "--quota", "off"];
        options.extend(AWS_NAMES.iter().flat_map(|name| ["--allow-host", *name]));
        let simulator = Simulator::start(&home, &options);
        let authority = Authority::new();
        home.write("ca.pem", &authority.pem);
        let server = TlsServer::start(&authority, names, simulator.address());
        let proxy = ConnectProxy::start(Ok(&server.address()));
        Self { home, simulator, authority, server, proxy }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.program(arguments);
        give_credentials(&mut command);
        command.env("HTTPS_PROXY", self.proxy.url()).env("AWS_CA_BUNDLE", "ca.pem");
        command
    }

    fn doctor(&self, pool: &str) -> Command {
        self.command(&["doctor", "--user-pool-id", pool])
    }
}

fn run(command: Command) -> Finished {
    Running::start(command).wait()
}

#[test]
fn a_run_goes_through_the_proxy_of_the_environment_and_trusts_its_certificates() {
    let company = Company::new();
    let rows = pairs(0..20);
    company.home.write("people.csv", csv(&rows));
    for (proxy, bundle) in [("HTTPS_PROXY", "environment"), ("https_proxy", "profile")] {
        let mut command =
            company.command(&["link", "people.csv", "--yes", "--user-pool-id", AWS_POOL, "--rate", "200"]);
        command.env_remove("HTTPS_PROXY").env(proxy, company.proxy.url());
        if bundle == "profile" {
            company.home.write("config", "[default]\nca_bundle = ca.pem\n");
            command.env_remove("AWS_CA_BUNDLE").env("AWS_CONFIG_FILE", "config");
        }
        run(command).left_with(0);
    }
    company.simulator.linked_once(rows.len());
    let expected = [COGNITO, "sts.us-east-1.amazonaws.com"].map(|host| format!("CONNECT {host}:443"));
    assert_eq!(company.proxy.targets(), expected);
}

#[test]
fn calls_for_quotas_and_credentials_take_the_same_way() {
    let company = Company::new();
    // The quota is asked of Service Quotas where the pool's own service does not say it.
    let address = company.simulator.address();
    let refusing = Proxy::before("GetProvisionedLimit", address, |_, _| {
        Fate::Answered(400, "InvalidParameterException", String::new())
    });
    let server = TlsServer::start(&company.authority, &AWS_NAMES, refusing.url.strip_prefix("http://").unwrap());
    let proxy = ConnectProxy::start(Ok(&server.address()));
    let mut command = company.doctor(AWS_POOL);
    command.env("HTTPS_PROXY", proxy.url());
    run(command).left_with(0);
    company.home.write(
        "config",
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/migration\nsource_profile = keys\n\
         [profile keys]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = not-a-secret\n",
    );
    let mut command = company.doctor(AWS_POOL);
    command.args(["--profile", "role"]).env("AWS_CONFIG_FILE", "config").env("HTTPS_PROXY", proxy.url());
    // A simulator has no roles.
    run(command).left_with(7);
    let targets = proxy.targets();
    for host in [COGNITO, "servicequotas.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com"] {
        assert!(targets.contains(&format!("CONNECT {host}:443")), "{host}: {targets:?}");
    }
}

#[test]
fn an_untrusted_certificate_names_the_setting() {
    let company = Company::new();
    let mut command = company.doctor(AWS_POOL);
    command.env_remove("AWS_CA_BUNDLE");
    let doctor = run(command).left_with(7);
    assert!(doctor.stdout.contains("AWS_CA_BUNDLE") && doctor.stdout.contains("UnknownIssuer"), "{doctor:#?}");
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let company = Company::with_certificate_for(&["example.com"]);
    let doctor = run(company.doctor(AWS_POOL)).left_with(7);
    assert!(doctor.stdout.contains("certificate not valid for name"), "{doctor:#?}");
    assert_eq!(company.simulator.calls("DescribeUserPool"), 0);
}

#[test]
fn a_bundle_that_cannot_be_used_ends_the_run_before_any_call() {
    let company = Company::new();
    company.home.write("empty.pem", "nothing\n");
    for (bundle, part) in [("missing.pem", "cannot be read"), ("empty.pem", "holds no certificate")] {
        let mut command = company.doctor(AWS_POOL);
        command.env("AWS_CA_BUNDLE", bundle);
        let doctor = run(command).left_with(2);
        assert!(doctor.stderr.contains(part) && doctor.stderr.contains(bundle), "{doctor:#?}");
    }
    assert!(company.proxy.targets().is_empty());
}

#[test]
fn a_proxy_that_refuses_or_cannot_be_used_is_said() {
    let home = Home::new();
    for (status, part) in [(407, "USER:PASSWORD"), (403, "refuses to connect")] {
        let proxy = ConnectProxy::start(Err(status));
        let mut command = home.program(&["doctor", "--user-pool-id", AWS_POOL]);
        give_credentials(&mut command);
        command.env("HTTPS_PROXY", proxy.url());
        let doctor = run(command).left_with(7);
        assert!(doctor.stdout.contains(part), "{doctor:#?}");
        assert_eq!(proxy.targets(), [format!("CONNECT {COGNITO}:443")]);
    }
    let mut command = home.program(&["doctor", "--user-pool-id", AWS_POOL]);
    give_credentials(&mut command);
    command.env("HTTPS_PROXY", "socks5://me:hunter2@127.0.0.1:1");
    let doctor = run(command).left_with(2);
    assert!(doctor.stderr.contains("HTTPS_PROXY") && !doctor.stderr.contains("hunter2"), "{doctor:#?}");
}

#[test]
fn no_proxy_and_loopback_are_called_directly() {
    let company = Company::new();
    let with_proxy = |endpoint: &str, variable: &str, hosts: &str| {
        let mut command = company.command(&["doctor", "--user-pool-id", AWS_POOL, "--endpoint-url", endpoint]);
        command.arg("--allow-insecure-endpoint").env("HTTP_PROXY", company.proxy.url()).env(variable, hosts);
        run(command)
    };
    with_proxy(&company.simulator.url, "NO_PROXY", "").left_with(0);
    assert!(company.proxy.targets().is_empty(), "loopback needs no NO_PROXY");
    // RFC 2606: a name that never resolves. Without the exception the proxy would lead it somewhere.
    for variable in ["NO_PROXY", "no_proxy"] {
        let doctor = with_proxy("http://pool.invalid", variable, "example.com, .invalid").left_with(7);
        assert!(doctor.stdout.contains("cannot be reached"), "{doctor:#?}");
    }
    assert!(company.proxy.targets().is_empty());
    with_proxy("http://pool.invalid", "NO_PROXY", "example.com");
    let targets = company.proxy.targets();
    assert!(targets.iter().any(|target| target.starts_with("POST http://pool.invalid/")), "{targets:?}");
}

#[test]
fn endpoints_by_partition_fips_and_dual_stack() {
    let company = Company::new();
    for (pool, settings, host) in [
        ("us-east-1_Network01", &[][..], COGNITO),
        ("cn-north-1_Network01", &[], "cognito-idp.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1_Network01", &[], "cognito-idp.us-gov-west-1.amazonaws.com"),
        ("us-east-1_Network01", &[("AWS_USE_FIPS_ENDPOINT", "true")], "cognito-idp-fips.us-east-1.amazonaws.com"),
        ("us-east-1_Network01", &[("AWS_CONFIG_FILE", "fips")], "cognito-idp-fips.us-east-1.amazonaws.com"),
        (
            "us-gov-west-1_Network01",
            &[("AWS_USE_FIPS_ENDPOINT", "true")],
            "cognito-idp-fips.us-gov-west-1.amazonaws.com",
        ),
        // Elsewhere the dual-stack name may be the usual one.
        (
            "cn-north-1_Network01",
            &[("AWS_USE_DUALSTACK_ENDPOINT", "true")],
            "cognito-idp.cn-north-1.api.amazonwebservices.com.cn",
        ),
    ] {
        company.home.write("fips", "[default]\nuse_fips_endpoint = true\n");
        // One proxy for each, so that each shows its own calls.
        let proxy = ConnectProxy::start(Ok(&company.server.address()));
        let mut command = company.doctor(pool);
        command.env("HTTPS_PROXY", proxy.url()).envs(settings.iter().copied());
        let doctor = run(command);
        let targets = proxy.targets();
        assert_eq!(targets[..], [format!("CONNECT {host}:443")], "{pool} {settings:?}: {doctor:#?}");
    }
}

#[test]
fn settings_that_exclude_each_other_are_said_so() {
    let home = Home::new();
    for (variable, part) in [("AWS_USE_FIPS_ENDPOINT", "FIPS"), ("AWS_USE_DUALSTACK_ENDPOINT", "dual-stack")] {
        let mut command =
            home.program(&["doctor", "--user-pool-id", AWS_POOL, "--endpoint-url", "https://vpce.example.com"]);
        give_credentials(&mut command);
        command.env(variable, "true");
        let doctor = run(command).left_with(2);
        assert!(doctor.stderr.contains(part) && doctor.stderr.contains("vpce.example.com"), "{doctor:#?}");
    }
}

/// A run that is meant for an emulator must not reach AWS because the SDK reads another spelling than the AWS CLI.
#[test]
fn an_endpoint_in_the_spelling_of_other_sdks_is_refused_unless_it_is_named_otherwise() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    let doctor = |names: &[&str], more: &[&str]| {
        let sections: Vec<String> =
            names.iter().map(|name| format!("{name} =\n  endpoint_url = {}\n", simulator.url)).collect();
        home.write("config", format!("[default]\nservices = local\n[services local]\n{}", sections.concat()));
        let mut command = home.program(&[&["doctor", "--user-pool-id", POOL][..], more].concat());
        give_credentials(&mut command);
        command.env("AWS_CONFIG_FILE", home.path("config"));
        run(command)
    };
    let refused = doctor(&["cognito_identity_provider"], &[]).left_with(2);
    assert!(refused.stderr.contains("under `cognito_identity_provider`"), "{refused:#?}");
    assert_eq!(simulator.calls("DescribeUserPool"), 0);
    doctor(&["cognito_identity_provider", "cognito-identity-provider"], &[]).left_with(0);
    doctor(&["cognito_identity_provider"], &["--endpoint-url", &simulator.url]).left_with(0);
}

#[test]
fn plain_http_needs_a_flag_wherever_the_endpoint_comes_from() {
    let company = Company::new();
    company.home.write("people.csv", csv(&pairs(0..1)));
    company.home.write(
        "config",
        "[default]\nservices = local\n[services local]\ncognito-identity-provider =\n  endpoint_url = http://pool.invalid\n",
    );
    company.home.write("settings.toml", "endpoint-url = \"http://pool.invalid\"\n");
    let endpoint = [
        (&["--endpoint-url", "http://pool.invalid"][..], &[][..]),
        (&["--config", "settings.toml"], &[]),
        (&[], &[("AWS_ENDPOINT_URL", "http://pool.invalid")]),
        (&[], &[("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "http://pool.invalid")]),
        (&[], &[("AWS_ENDPOINT_URL_SERVICE_QUOTAS", "http://pool.invalid")]),
        (&[], &[("AWS_CONFIG_FILE", "config")]),
    ];
    for (arguments, variables) in endpoint {
        let start = ["link", "people.csv", "--yes", "--user-pool-id", AWS_POOL];
        let mut command = company.command(&[&start[..], arguments].concat());
        command.env("HTTP_PROXY", company.proxy.url()).envs(variables.iter().copied());
        let link = run(command);
        assert_eq!(link.code, Some(2), "{arguments:?} {variables:?}: {link:#?}");
        assert!(link.stderr.contains("--allow-insecure-endpoint"), "{arguments:?} {variables:?}: {link:#?}");
    }
    assert!(company.proxy.targets().is_empty(), "nothing was sent");
}

#[test]
fn a_process_whose_credentials_expire_in_mid_run_is_asked_again() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    let rows = pairs(0..12);
    home.write("people.csv", csv(&rows));
    // In the past, and so within the time in which the SDK renews credentials.
    let credentials = r#"{"Version":1,"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"not-a-secret","SessionToken":"t","Expiration":"2026-01-01T00:00:00Z"}"#;
    home.write("credentials.json", credentials);
    home.write(
        "process.sh",
        "echo call >>calls\nif [ -e broken ]; then echo signed out >&2; exit 1; fi\ncat credentials.json\n",
    );
    home.write("config", "[profile process]\ncredential_process = sh process.sh\n");
    let link = |proxy: Option<&Proxy>| {
        let url = proxy.map_or(&simulator.url, |proxy| &proxy.url);
        let start = ["link", "people.csv", "--yes", "--endpoint-url", url, "--user-pool-id", POOL];
        let mut command = home.program(&[&start[..], &["--profile", "process", "--rate", "100"]].concat());
        command.env("AWS_CONFIG_FILE", "config");
        run(command)
    };
    let broken = home.path("broken");
    let breaking = Proxy::start(simulator.address(), move |number, _| {
        if number == 4 {
            std::fs::write(&broken, "").unwrap();
        }
        Fate::Passes
    });
    let stopped = link(Some(&breaking)).left_with(7);
    assert!(stopped.stderr.contains("credentials"), "{stopped:#?}");
    let linked = simulator.stats()["links_made"].as_u64().unwrap();
    assert!((4..12).contains(&linked), "{linked}");
    std::fs::remove_file(home.path("broken")).unwrap();
    link(None).left_with(0);
    simulator.linked_once(rows.len());
    assert!(home.read("calls").lines().count() > rows.len(), "each call renews the credentials");
}

#[test]
fn an_ended_session_names_the_command_that_renews_it() {
    let home = Home::new();
    home.write(
        "config",
        "[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = admin\n\
         [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.awsapps.com/start\n\
         [profile signed-in]\nlogin_session = arn:aws:iam::123456789012:user/jane\nregion = us-east-1\n\
         [profile role]\nrole_arn = arn:aws:iam::123456789012:role/migration\nsource_profile = dev\n\
         [profile signed-in-role]\nrole_arn = arn:aws:iam::123456789012:role/migration\nsource_profile = signed-in\n",
    );
    let doctor = |arguments: &[&str], profile: Option<&str>| {
        let start = ["doctor", "--user-pool-id", AWS_POOL];
        let mut command = home.program(&[&start[..], arguments].concat());
        command.env("AWS_CONFIG_FILE", "config");
        if let Some(profile) = profile {
            command.env("AWS_PROFILE", profile);
        }
        run(command).left_with(7).stdout
    };
    let login = "aws sso login --profile dev";
    assert!(doctor(&["--profile", "dev"], None).contains(login), "never signed in");
    std::fs::create_dir_all(home.path(".aws/sso/cache")).unwrap();
    home.write(
        // SHA-1 of the session's name.
        ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json",
        r#"{"accessToken":"t","expiresAt":"2026-01-01T00:00:00Z","region":"us-east-1","startUrl":"https://corp.awsapps.com/start"}"#,
    );
    for said in [doctor(&["--profile", "dev"], None), doctor(&[], Some("dev"))] {
        assert!(said.contains(login) && said.contains("expired"), "{said}");
    }
    for said in [doctor(&["--profile", "role"], None), doctor(&[], Some("role"))] {
        assert!(said.contains(&format!("`{login}`")) && said.contains("expired"), "{said}");
    }
    for profile in ["signed-in", "signed-in-role"] {
        let said = doctor(&["--profile", profile], None);
        assert!(said.contains("`aws login --profile signed-in`"), "{said}");
    }
}

#[test]
fn a_profile_of_aws_login_works() {
    let company = Company::new();
    company.home.write("config", "[profile signed-in]\nlogin_session = arn:aws:iam::123456789012:user/jane\n");
    std::fs::create_dir_all(company.home.path(".aws/login/cache")).unwrap();
    company.home.write(
        // SHA-256 of the session.
        ".aws/login/cache/e503db6a50c52e426cd2e8b0edf93b94ec9cb0ba1ccdba607277d35e756abde9.json",
        r#"{"accessToken":{"accessKeyId":"AKIDEXAMPLE","secretAccessKey":"not-a-secret","sessionToken":"t","accountId":"123456789012","expiresAt":"2099-01-01T00:00:00Z"},"tokenType":"urn:aws:params:oauth:token-type:access_token_sigv4","clientId":"arn:aws:signin:::devtools/same-device","refreshToken":"r","idToken":"i","dpopKey":"-----BEGIN EC PRIVATE KEY-----\n-----END EC PRIVATE KEY-----"}"#,
    );
    let mut command = company.doctor(AWS_POOL);
    command.args(["--profile", "signed-in"]).env("AWS_CONFIG_FILE", "config");
    run(command).left_with(0);
}

/// A page as proxies and load balancers serve it.
const PAGE: &str = "<html><body>Welcome</body></html>";

/// Runs `link` on 46 rows against a proxy, and returns what it said and the number of calls that met their fate.
fn link_46(proxy: &Proxy, home: &Home, arguments: &[&str]) -> (Finished, usize) {
    let finished = home.link(&proxy.url, &[arguments, &["--rate", "20"]].concat());
    (finished, proxy.link_calls().len())
}

#[test]
fn a_server_without_the_operation_stops_the_run_early() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    home.write("people.csv", csv(&pairs(0..46)));
    let fates = [
        Fate::Page(200, PAGE),
        Fate::Page(404, PAGE),
        Fate::Page(403, PAGE),
        Fate::Page(500, PAGE),
        Fate::Answered(501, "NotImplemented", String::new()),
        Fate::Answered(400, "UnknownOperationException", String::new()),
    ];
    for (number, fate) in fates.into_iter().enumerate() {
        let ledger = format!("{number}.ledger");
        let proxy = Proxy::start(simulator.address(), move |_, _| fate.clone());
        let (link, calls) = link_46(&proxy, &home, &["people.csv", "--ledger", &ledger]);
        let link = link.left_with(7);
        assert!(link.stderr.contains("first 5 rows") && link.stderr.contains("--endpoint-url"), "{link:#?}");
        assert!((5..20).contains(&calls), "{calls} calls: {link:#?}");
        let ledger = home.ledger(&ledger);
        assert_eq!((ledger.count("linked"), ledger.count("refused"), ledger.count("failed")), (0, 0, 0));
    }
    assert_eq!(simulator.link_calls(), 0);
    assert!(simulator.calls("ListUsers") < 100, "{}", simulator.calls("ListUsers"));
    // What was left open is settled, and linked, once the service is there.
    home.link(&simulator.url, &["people.csv", "--ledger", "0.ledger", "--rate", "100"]).left_with(0);
    simulator.linked_once(46);
}

/// Such as behind a proxy that drops headers. What the service did is read.
#[test]
fn links_whose_answers_have_another_form_of_success_are_found() {
    type Rewrite = fn(&str, &str) -> String;
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    let forms: [(&str, Rewrite); 3] = [
        ("no request ID", |head, body| head.replace("x-amzn-requestid", "x-dropped") + body),
        ("plain text", |head, body| head.replace("application/x-amz-json-1.1", "text/plain") + body),
        ("204", |_, _| "HTTP/1.1 204 No Content\r\nx-amzn-requestid: r\r\n\r\n".to_owned()),
    ];
    let mut rows = pairs(0..46 * 3);
    for (number, (form, rewrite)) in (1..).zip(forms) {
        let file = format!("{number}.csv");
        home.write(&file, csv(&rows.split_off(rows.len() - 46)));
        let proxy = Proxy::start(simulator.address(), move |_, _| Fate::Rewritten(rewrite));
        let (link, _) = link_46(&proxy, &home, &[&file, "--settle-with", "get-user"]);
        let link = link.left_with(0);
        assert!(link.stdout.contains("46 recovered"), "{form}: {link:#?}");
        simulator.linked_once(number * 46);
    }
}

#[test]
fn one_row_whose_operation_is_unknown_stops_no_other_row() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    home.write("people.csv", csv(&pairs(0..46)));
    let unlucky = pairs(3..4).remove(0).value;
    let proxy = Proxy::start(simulator.address(), move |_, body| {
        if body.contains(&unlucky) {
            Fate::Answered(400, "UnknownOperationException", String::new())
        } else {
            Fate::Passes
        }
    });
    link_46(&proxy, &home, &["people.csv", "--settle-with", "get-user"]).0.left_with(3);
    let ledger = home.ledger("people.csv.ledger");
    assert_eq!((ledger.count("linked"), ledger.count("failed")), (45, 1));
}

#[test]
fn look_ups_without_an_answer_stop_the_run_early() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    let row = |number| format!("jane{number}@example.com,Okta,00uOkta{number:05}xYz");
    let rows: Vec<String> = (0..46).map(row).collect();
    home.write("people.csv", format!("destination_email,source_provider,source_value\n{}\n", rows.join("\n")));
    for fate in [Fate::Page(200, PAGE), Fate::Page(200, ""), Fate::Page(404, PAGE)] {
        let proxy = Proxy::before("ListUsers", simulator.address(), move |_, _| fate.clone());
        let (link, calls) = link_46(&proxy, &home, &["people.csv", "--ledger", "new.ledger"]);
        let link = link.left_with(7);
        assert!(link.stderr.contains("first 5 rows"), "{link:#?}");
        assert!((5..20).contains(&calls), "{calls} calls: {link:#?}");
        std::fs::remove_file(home.path("new.ledger")).unwrap();
    }
}

#[test]
fn a_server_of_pages_ends_the_run_before_the_first_row() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    home.write("people.csv", csv(&pairs(0..3)));
    // Every operation of the service.
    let proxy = Proxy::before("AWSCognitoIdentityProviderService", simulator.address(), |_, _| Fate::Page(200, PAGE));
    let (link, calls) = link_46(&proxy, &home, &["people.csv"]);
    let link = link.left_with(7);
    assert!(link.stderr.contains("--endpoint-url"), "{link:#?}");
    assert!(calls <= 5, "{calls}");
}
