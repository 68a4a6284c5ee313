"""The admin API: GraphQL at `/graphql`, for logged-in users, for scripts with a key, and for anyone where a dashboard is public.

auth                  authentication by key or session
request_context       context and permission checks of resolvers
scalars               custom scalars
enums                 enums and their descriptions
inputs                periods and filters
answers               results of `server.analytics` as types
charts                charts of a project
family_fields         fields for single families of clients
paging                cursor pagination
event_connections     Relay connections of events and installs
loaders               data loaders: one statement per page
project               a project with its lists and settings
server_types          jobs, sessions, audit log, server
mutations/            mutations
filter_warnings       warnings about filters without matches
rejected_replay       replay of refused events
schema                the whole schema
admission             limits on the work of refused operations
bounds                limits on the size of an operation
safety                extensions of every operation, and error messages
persisted_operations  operations known by name or hash
routes                routes, which load the schema in the background
endpoint              queries and mutations over POST
socket                subscriptions over a WebSocket
subscription          live events
login                 login and logout
schema_export         `make schema`
"""
