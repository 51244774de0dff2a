from django.urls import path

from agents.api import chat, tools

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
]
