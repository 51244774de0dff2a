from django.urls import path

from agents.api import (
    action_tests,
    actions,
    approvals,
    chat,
    conversations,
    credentials,
    customers,
    event_types,
    feedback,
    installs,
    leads,
    lists,
    runs,
    tools,
)

urlpatterns = [
    path("agents/<str:agent_id>/chat", chat.Chat.as_view(), name="api-chat"),
    path("agents/<str:agent_id>/turns/<str:turn_id>", chat.TurnDetail.as_view(), name="api-turn"),
    path("agents/<str:agent_id>/tools", tools.Catalogue.as_view(), name="api-tools"),
    path("agents/<str:agent_id>/tools/<str:name>/calls", tools.ToolCalls.as_view(), name="api-tool-calls"),
    path(
        "agents/<str:agent_id>/tools/<str:name>/calls/<str:call_id>",
        tools.ToolCallDetail.as_view(),
        name="api-tool-call",
    ),
    path(
        "agents/<str:agent_id>/tools/<str:name>/calls/<str:call_id>/approve",
        approvals.Approve.as_view(),
        name="api-tool-call-approve",
    ),
    path(
        "agents/<str:agent_id>/tools/<str:name>/calls/<str:call_id>/refuse",
        approvals.Refuse.as_view(),
        name="api-tool-call-refuse",
    ),
    path("agents/<str:agent_id>/actions", installs.Installs.as_view(), name="api-installs"),
    path("agents/<str:agent_id>/actions/<str:action_id>", installs.InstallDetail.as_view(), name="api-install"),
    path("actions", actions.Actions.as_view(), name="api-actions"),
    # Before the route of one action: no id reads like this word.
    path("actions/test", action_tests.DraftTests.as_view(), name="api-draft-test"),
    path("actions/<str:action_id>", actions.ActionDetail.as_view(), name="api-action"),
    path("actions/<str:action_id>/test", action_tests.ActionTests.as_view(), name="api-action-test"),
    path("actions/<str:action_id>/versions", actions.ActionVersions.as_view(), name="api-action-versions"),
    path(
        "actions/<str:action_id>/versions/<int:number>",
        actions.ActionVersionDetail.as_view(),
        name="api-action-version",
    ),
    path(
        "actions/<str:action_id>/versions/<int:number>/restore",
        actions.ActionVersionRestore.as_view(),
        name="api-action-version-restore",
    ),
    path("runs", runs.RunList.as_view(), name="api-runs"),
    path("runs/<str:run_id>", runs.RunDetail.as_view(), name="api-run"),
    path("credentials", credentials.Credentials.as_view(), name="api-credentials"),
    path("events", event_types.EventTypes.as_view(), name="api-event-types"),
    path("agents/<str:agent_id>/leads", leads.Leads.as_view(), name="api-leads"),
    path("agents/<str:agent_id>/leads/<str:lead_id>/qualify", leads.LeadQualify.as_view(), name="api-lead-qualify"),
    path("agents/<str:agent_id>/customers", customers.Customers.as_view(), name="api-customers"),
    path("agents/<str:agent_id>/customers/<str:customer_id>", customers.CustomerDetail.as_view(), name="api-customer"),
    path(
        "agents/<str:agent_id>/messages/<str:message_id>/feedback",
        feedback.MessageFeedback.as_view(),
        name="api-feedback",
    ),
    path(
        "agents/<str:agent_id>/conversations/<str:conversation_id>/end",
        conversations.ConversationEnd.as_view(),
        name="api-conversation-end",
    ),
    path(
        "agents/<str:agent_id>/conversations/<str:conversation_id>/reopen",
        conversations.ConversationReopen.as_view(),
        name="api-conversation-reopen",
    ),
    path(
        "agents/<str:agent_id>/conversations/<str:conversation_id>/escalate",
        conversations.ConversationEscalate.as_view(),
        name="api-conversation-escalate",
    ),
    path(
        "agents/<str:agent_id>/escalations/<str:escalation_id>/accept",
        conversations.EscalationAccept.as_view(),
        name="api-escalation-accept",
    ),
    path(
        "agents/<str:agent_id>/escalations/<str:escalation_id>/resolve",
        conversations.EscalationResolve.as_view(),
        name="api-escalation-resolve",
    ),
    path("get-leads", lists.GetLeads.as_view(), name="api-get-leads"),
    path("get-conversations", lists.GetConversations.as_view(), name="api-get-conversations"),
]
