"""WhatsApp's words and ours: what a status says, what a subscription is about, what an error means."""

from collections.abc import Mapping

# Their word and ours. A voice message that was played was read before; the same word may not go back to "delivered".
STATUSES: Mapping[str, str] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "read",
    "failed": "failed",
}
# Subscriptions beside messages: things that happen to the account, its number, its templates and its groups.
EVENTS = frozenset(
    {
        "account_alerts",
        "account_review_update",
        "account_update",
        "business_capability_update",
        "calls",
        "flows",
        "group_lifecycle_update",
        "group_participants_update",
        "group_settings_update",
        "group_status_update",
        "history",
        "message_template_components_update",
        "message_template_quality_update",
        "message_template_status_update",
        "messaging_handovers",
        "payment_configuration_update",
        "phone_number_name_update",
        "phone_number_quality_update",
        "security",
        "smb_app_state_sync",
        "template_category_update",
        "user_preferences",
    }
)

ERRORS: Mapping[str, str] = {
    "4": "Your WhatsApp account has sent too many requests for now.",
    "80007": "Your WhatsApp account has sent too many requests for now.",
    "100": "WhatsApp does not know this phone number id, or does not accept the message as it is.",
    "130429": "Your number has sent too many messages at once.",
    "130472": "WhatsApp did not deliver the message because this person is part of an experiment of Meta's.",
    "130497": "Your WhatsApp account may not write to people in this country.",
    "131005": "The access token may not send messages from this number. Give it the permission at Meta.",
    "131008": "WhatsApp misses something in the message.",
    "131021": "The message would go to the number that sends it.",
    "131026": "The message cannot be delivered: the number is not on WhatsApp, has blocked you or uses an old version.",
    "131030": "A test number may only write to numbers that were entered at Meta before.",
    "131031": "WhatsApp has locked your account.",
    "131037": "The number has no approved display name yet.",
    "131042": "WhatsApp could not charge your account. Look at its payment settings.",
    "131045": "Your number is not registered for sending.",
    "131047": "More than 24 hours have passed since this person last wrote; only a template may be sent now.",
    "131048": "WhatsApp limits your number because people blocked it or reported it as spam.",
    "131049": "WhatsApp did not deliver the message to keep this person from getting too many.",
    "131050": "This person does not want marketing messages from you any more.",
    "131051": "WhatsApp does not take messages of this type.",
    "131056": "Too many messages went to this person in a short time.",
    "131057": "Your WhatsApp account is in maintenance.",
    "133010": "Your number is not registered with the Cloud API.",
}
