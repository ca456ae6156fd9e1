//! What the service answers when it refuses: the one catalogue of error classes and texts.
//!
//! Known texts were seen from the real service or are in its documentation; the others are marked as guesses in their
//! comment. Clients match on these texts, so none may be reworded without a source.

use std::fmt;

/// An error answer. Its message may quote values of the request, so `Debug` leaves it out.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// The class, such as `InvalidParameterException`.
    pub code: &'static str,
    /// The text; empty where the service sends none.
    pub message: String,
}

impl fmt::Debug for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiError({} {})", self.status, self.code)
    }
}

impl ApiError {
    fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into() }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::refused("InvalidParameterException", message)
    }

    fn missing(message: impl Into<String>) -> Self {
        Self::refused("ResourceNotFoundException", message)
    }

    /// The same source is linked to this destination already (seen 2025 and 2026, also by a deliberate retry).
    pub(crate) fn already_linked() -> Self {
        Self::invalid("SourceUser is already linked to DestinationUser")
    }

    /// The source is a native user, or a native user has the name `Provider_id`. Before about 2024-07-30 also the text
    /// for a link that exists (boto3 #4163).
    pub(crate) fn native_source() -> Self {
        Self::invalid(
            "Invalid SourceUser: Cognito users with a username/password may not be passed in as a SourceUser, \
             only as a DestinationUser",
        )
    }

    /// The source has signed in before and has a profile of its own (aws-sdk-net #1000).
    pub(crate) fn merging() -> Self {
        Self::invalid(
            "Merging is not currently supported, provide a SourceUser that has not been signed up in order to link",
        )
    }

    /// No such user (usual text of this API, aws-sdk-java #2005; inferred for a link).
    pub(crate) fn user_not_found() -> Self {
        Self::refused("UserNotFoundException", "User does not exist.")
    }

    pub(crate) fn pool_not_found(pool: &str) -> Self {
        Self::missing(format!("User pool {pool} does not exist."))
    }

    /// No such identity provider. Class and text are guesses.
    pub(crate) fn provider_not_found(provider: &str) -> Self {
        Self::missing(format!("Identity provider {provider} does not exist."))
    }

    /// The same in words that name the pool. Class and text are guesses.
    pub(crate) fn provider_not_in_pool(provider: &str, pool: &str) -> Self {
        Self::missing(format!("Identity provider {provider} does not exist in user pool {pool}."))
    }

    /// The destination is disabled (text of sister calls; a guess for a link).
    pub(crate) fn user_disabled() -> Self {
        Self::refused("NotAuthorizedException", "User is disabled.")
    }

    /// A throttle that comes as a limit. Class and text are guesses.
    pub(crate) fn limit_is_rate() -> Self {
        Self::refused("LimitExceededException", "Rate limit exceeded for this operation")
    }

    /// Identities of the provider are linked by as many attributes as may be. The text is a guess.
    pub(crate) fn too_many_attribute_names() -> Self {
        Self::refused("LimitExceededException", "Exceeded the maximum number of attribute names for a provider")
    }

    /// A known situation, in words that no client knows.
    pub(crate) fn in_unknown_words(self) -> Self {
        Self { message: "The request was declined for the identity that it names".to_owned(), ..self }
    }

    /// A user holds as many identities as it may. The class is documented; the text is a guess.
    pub(crate) fn too_many_identities() -> Self {
        Self::refused("LimitExceededException", "Exceeded the maximum number of linked identities for a user")
    }

    /// The user's alias belongs to another one (amplify-js #497). The text is a guess.
    pub(crate) fn alias_exists() -> Self {
        Self::refused("AliasExistsException", "An account with the given email already exists.")
    }

    /// The pool refuses links to this user with a text of its own (`NewUser::link_refusal`), such as one that no client
    /// knows.
    pub(crate) fn link_refusal(text: &str) -> Self {
        Self::invalid(text)
    }

    /// Provider name, attribute name and value of a source are over 128 characters (aws-sdk-js-v3 #6985). The text is
    /// a guess.
    pub(crate) fn source_too_long(max: usize) -> Self {
        Self::invalid(format!("Invalid SourceUser: the combined length of its members must be at most {max}"))
    }

    /// A social provider is named with another attribute than its subject. The text is a guess.
    pub(crate) fn social_attribute() -> Self {
        Self::invalid("Invalid SourceUser: ProviderAttributeName must be Cognito_Subject for social identity providers")
    }

    /// A link by an attribute that the provider does not map. The text is a guess.
    pub(crate) fn attribute_not_mapped() -> Self {
        Self::invalid("Invalid SourceUser: ProviderAttributeName is not mapped in the identity provider")
    }

    /// The identity's profile name is taken by one that differs in case only (service-workbench-on-aws #605). The
    /// class is a guess: the text comes back from the sign-in page.
    pub(crate) fn sign_in_mismatch() -> Self {
        Self::invalid("Invalid ProviderName/Username combination. Please check again")
    }

    /// A native user has the profile name of an identity that signs in. The class is a guess.
    pub(crate) fn profile_name_taken() -> Self {
        Self::refused("UsernameExistsException", "User already exists with provider user id")
    }

    /// The identity is not linked, or is named by another attribute or value than its link (aws-sdk-go #4218). The class
    /// is a guess.
    pub(crate) fn not_linked(user_not_found: bool) -> Self {
        let code = if user_not_found { "UserNotFoundException" } else { "InvalidParameterException" };
        Self::refused(code, "Account isn't linked to anyone else, verify that the account has been linked")
    }

    /// The user name is taken (usual text of this API).
    pub(crate) fn user_exists() -> Self {
        Self::refused("UsernameExistsException", "User account already exists")
    }

    /// The user's e-mail address or telephone number is another user's user name or alias (usual text of this API).
    pub(crate) fn alias_taken(attribute: &str) -> Self {
        Self::refused("UsernameExistsException", format!("An account with the given {attribute} already exists."))
    }

    /// Users of the pool are named by e-mail address or telephone number (usual text of this API).
    pub(crate) fn username_form(attributes: &str) -> Self {
        Self::invalid(format!("Username should be an {attributes}."))
    }

    /// The invitation of a user is sent again who is not waiting for one (usual text of this API).
    pub(crate) fn resend_impossible() -> Self {
        Self::refused("UnsupportedUserStateException", "Resend not possible. FORCE_CHANGE_PASSWORD status not found")
    }

    /// An attribute that the pool does not have (usual text of this API).
    pub(crate) fn attribute_unknown(attribute: &str) -> Self {
        Self::invalid(format!(
            "Attributes did not conform to the schema: {attribute}: Attribute does not exist in the schema.\n"
        ))
    }

    /// An attribute that cannot be changed; the sign-in page says so too where such a one is mapped.
    pub(crate) fn attribute_immutable(attribute: &str) -> Self {
        Self::invalid(format!("user.{attribute}: Attribute cannot be updated.\n"))
    }

    /// A sign-in without an attribute that the pool requires (reported from hosted sign-ins; the class is a guess).
    pub(crate) fn attribute_required(attribute: &str) -> Self {
        Self::invalid(format!("attributes required: [{attribute}]"))
    }

    /// A first sign-in where only administrators create users (amplify-js #3402; class and text are guesses).
    pub(crate) fn sign_up_not_allowed() -> Self {
        Self::invalid("Login not allowed: only administrators may create users")
    }

    /// A custom attribute that must be there (usual text of this API).
    pub(crate) fn custom_attribute_required() -> Self {
        Self::invalid("Required custom attributes are not supported currently.")
    }

    /// Two attributes of a schema have one name (the text that `AddCustomAttributes` has for it; here a guess).
    pub(crate) fn schema_name_twice(attribute: &str) -> Self {
        Self::invalid(format!("{attribute}: Existing attribute already has name {attribute}."))
    }

    /// A bound of an attribute that is not a number (text as moto has it).
    pub(crate) fn schema_bound(member: &str, attribute: &str) -> Self {
        Self::invalid(format!("Invalid {member} for schema attribute {attribute}"))
    }

    /// A text may be longer than the service allows (text as moto has it).
    pub(crate) fn schema_length(attribute: &str) -> Self {
        Self::invalid(format!("user.{attribute}: String attributes cannot have a length of more than 2048"))
    }

    /// The upper bound of an attribute is below the lower one (text as moto has it).
    pub(crate) fn schema_bounds_crossed(attribute: &str, what: &str) -> Self {
        Self::invalid(format!("user.{attribute}: Max {what} cannot be less than min {what}."))
    }

    /// A value that the bounds of its attribute do not allow. The words after the name are a guess.
    pub(crate) fn value_outside(attribute: &str, why: &str) -> Self {
        Self::invalid(format!("Attributes did not conform to the schema: {attribute}: {why}\n"))
    }

    /// A standard attribute of another type (usual text of this API).
    pub(crate) fn standard_attribute_type(attribute: &str) -> Self {
        Self::invalid(format!(
            "You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute {attribute}"
        ))
    }

    /// The pool is protected (usual text of this API).
    pub(crate) fn deletion_protected() -> Self {
        Self::invalid(
            "The user pool cannot be deleted because deletion protection is activated. Deletion protection must be \
             inactivated first.",
        )
    }

    /// A password is not as the pool's policy wants it (usual text of this API).
    pub(crate) fn password_policy(reason: &str) -> Self {
        Self::refused("InvalidPasswordException", format!("Password did not conform with policy: {reason}"))
    }

    /// A verified alias belongs to another user (usual text of this API).
    pub(crate) fn verified_alias_exists(attribute: &str) -> Self {
        Self::refused("AliasExistsException", format!("An account with the given {attribute} already exists."))
    }

    /// The provider's name is taken. The text is a guess.
    pub(crate) fn duplicate_provider(provider: &str) -> Self {
        Self::refused(
            "DuplicateProviderException",
            format!("A provider with the name {provider} already exists in this user pool."),
        )
    }

    /// The provider's details lack something. The text is a guess.
    pub(crate) fn provider_detail_missing(detail: &str) -> Self {
        Self::invalid(format!("Missing required provider detail: {detail}"))
    }

    /// A social provider goes by its type's name (seen).
    pub(crate) fn social_provider_name(name: &str, kind: &str) -> Self {
        Self::invalid(format!("Provider {name} cannot be of type {kind}."))
    }

    /// More pools or providers than an account or a pool may have. The text is a guess.
    pub(crate) fn too_many(what: &str) -> Self {
        Self::refused("LimitExceededException", format!("The maximum number of {what} is reached"))
    }

    /// A limit that `GetProvisionedLimit` does not have. The text is a guess.
    pub(crate) fn limit_unknown() -> Self {
        Self::missing("The requested limit does not exist.")
    }

    /// A quota that Service Quotas does not have (usual text of that service).
    pub(crate) fn quota_unknown() -> Self {
        Self::refused(
            "NoSuchResourceException",
            "The request failed because the specified quota or service does not exist.",
        )
    }

    /// A text is none of those that the service model has (the general form of AWS's constraint messages).
    pub(crate) fn not_in_set(value: &str, member: &str, set: &[&str]) -> Self {
        Self::constraint(
            &format!("'{value}'"),
            member,
            &format!("Member must satisfy enum value set: [{}]", set.join(", ")),
        )
    }

    /// A text is not of the form that the service model has (the general form of AWS's constraint messages).
    pub(crate) fn not_of_form(value: &str, member: &str, pattern: &str) -> Self {
        Self::constraint(
            &format!("'{value}'"),
            member,
            &format!("Member must satisfy regular expression pattern: {pattern}"),
        )
    }

    /// A member is null that must not be (the general form of AWS's constraint messages).
    pub(crate) fn null_member(member: &str) -> Self {
        Self::constraint("null", member, "Member must not be null")
    }

    /// A text is longer than the service model allows.
    pub(crate) fn too_long(value: &str, member: &str, max: usize) -> Self {
        Self::constraint(&format!("'{value}'"), member, &format!("Member must have length less than or equal to {max}"))
    }

    /// A text is shorter than the service model allows.
    pub(crate) fn too_short(value: &str, member: &str, min: usize) -> Self {
        Self::constraint(
            &format!("'{value}'"),
            member,
            &format!("Member must have length greater than or equal to {min}"),
        )
    }

    /// A number is larger than the service model allows.
    pub(crate) fn too_large(value: u64, member: &str, max: usize) -> Self {
        Self::constraint(&format!("'{value}'"), member, &format!("Member must have value less than or equal to {max}"))
    }

    /// A number is smaller than the service model allows.
    pub(crate) fn too_small(value: u64, member: &str, min: u64) -> Self {
        Self::constraint(
            &format!("'{value}'"),
            member,
            &format!("Member must have value greater than or equal to {min}"),
        )
    }

    /// A number is below zero.
    pub(crate) fn negative(value: &str, member: &str) -> Self {
        Self::constraint(&format!("'{value}'"), member, "Member must have value greater than or equal to 0")
    }

    fn constraint(value: &str, member: &str, rule: &str) -> Self {
        Self::invalid(format!(
            "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {rule}"
        ))
    }

    /// A filter that cannot be read. The text is a guess.
    pub(crate) fn filter_unreadable() -> Self {
        Self::invalid("Error while parsing filter.")
    }

    /// A filter on an attribute that cannot be searched. The text is a guess.
    pub(crate) fn filter_attribute(attribute: &str) -> Self {
        Self::invalid(format!("Invalid search attribute: {attribute}"))
    }

    /// A token of another question, an altered one or one older than an hour (aws-sdk-js #3705; the class is inferred).
    pub(crate) fn paging_marker(token: &str, request_id: &str) -> Self {
        Self::invalid(format!("Paging marker {token} is invalid for request {request_id}"))
    }

    /// Unknown app client (seen).
    pub(crate) fn app_client_not_found(id: &str) -> Self {
        Self::refused("ResourceNotFoundException", format!("User pool client {id} does not exist."))
    }

    /// A sign-in with a provider that no app client offers. Sign-in pages say so, no operation does: the class is a guess.
    pub(crate) fn login_option_not_available() -> Self {
        Self::invalid("Login option is not available. Please try another one")
    }

    /// `AttributesToGet` names an attribute that a user lacks (documented; the text is a guess).
    pub(crate) fn attribute_missing(attribute: &str) -> Self {
        Self::invalid(format!("One or more requested attributes do not exist: {attribute}"))
    }

    /// Over a quota; the service uses both texts (mifi/cognito-backup #6 and #28).
    pub(crate) fn throttled(newer_text: bool) -> Self {
        Self::refused("TooManyRequestsException", if newer_text { "Too many requests" } else { "Rate exceeded" })
    }

    /// The service's own fault, HTTP 500. The text is a guess.
    pub(crate) fn internal() -> Self {
        Self { status: 500, code: "InternalErrorException", message: "Internal server error".to_owned() }
    }

    /// Temporary credentials have run out (general AWS text).
    pub(crate) fn expired_token() -> Self {
        Self::refused("ExpiredTokenException", "The security token included in the request is expired")
    }

    /// The caller's policies do not allow the operation (general AWS text).
    pub(crate) fn access_denied(operation: &str) -> Self {
        Self::refused(
            "AccessDeniedException",
            format!(
                "User: arn:aws:iam::000000000000:user/simulated is not authorized to perform: \
                 cognito-idp:{operation} because no identity-based policy allows the cognito-idp:{operation} action"
            ),
        )
    }

    /// The request is not signed (general AWS text).
    pub(crate) fn unsigned() -> Self {
        Self::refused("MissingAuthenticationTokenException", "Missing Authentication Token")
    }

    /// An operation that the service, or this simulator, does not know. The service sends no text; the simulator names
    /// the operation, so that it is easy to see what is missing.
    pub(crate) fn unknown_operation(operation: &str) -> Self {
        Self::refused("UnknownOperationException", format!("The simulator does not support operation '{operation}'"))
    }

    /// A body that is not what the operation takes (general AWS form).
    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self::refused("SerializationException", message)
    }

    /// A body over the simulator's bound; the service's answer is unknown.
    pub(crate) fn body_too_large() -> Self {
        Self { status: 413, ..Self::refused("RequestEntityTooLargeException", "Request body is too large") }
    }

    /// A request that the simulator does not accept from its sender; not an answer of the service.
    pub(crate) fn forbidden(message: String) -> Self {
        Self { status: 403, code: "SimulatorAccessDenied", message }
    }

    /// A path that the simulator does not serve.
    pub(crate) fn no_such_path() -> Self {
        let message = "The simulator does not serve this path; send operations with POST to /".to_owned();
        Self { status: 404, code: "UnknownOperationException", message }
    }
}
