"""The admin's API: GraphQL at `/graphql`, for people who logged in, for scripts with a key, and, where a dashboard is public, for everybody.

auth         who is asking
context      what resolvers know of a request
scalars      scalars and enums
inputs       what a question is asked about
answers      the answers of `server.analytics` as types
charts       the questions as fields of a project
families     the questions of single families of clients
paging       pages of a list
words        the closed lists of words
connections  events and installs as Relay's connections
loaders      what belongs to the rows of a page, in one statement
project      a project with its lists and settings
operation    jobs, sessions, audit log, the server
mutations/   what admins change
schema       all of it together
admission    what refused operations may cost
bounds       how large an operation may be
safety       what every operation passes through, and what errors say
persisted    operations that are known by their hash
doors        the routes, which are there before what answers is loaded
endpoint     queries and mutations over POST
socket       subscriptions over a WebSocket
login        logging in and out
"""
