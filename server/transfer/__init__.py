"""Exports, imports, and the data of one install.

columns         the columns of each export, and the text form of stored numbers
formats         CSV, JSON lines and Parquet: rows to bytes, a chunk at a time
exporting       rows in a format, as a stream
import_sources  files to rows, some of which may be invalid, in constant memory
footfall        rows of a previous export to events and installs
posthog         PostHog's export to events
wire            events in the format that clients send, from any other collector
downloads_dump  a downloads collector's key-value dump to counts
importing       the import loop: read, convert, commit
questions       reports as tables
answer_rows     answers of the question model as rows
ask_table       an answer as a table of strings
ask_command     the command `footfall ask`
question_commands  the commands of saved questions
ask_route       the HTTP route that exports an answer
reports         funnels, retention and paths: parsed, answered and written
report_rows     their answers as rows and JSON documents
report_table    their answers as tables for the terminal
report_commands  the commands `footfall ask funnel`, `retention` and `paths`
report_routes   the HTTP routes that export them
text_parameters  the query parameters of questions and reports
answer_chart    an answer as a picture
shared_page     the page of a link to a saved question
shared_route    the HTTP route of such links, and their cached pages
install_data    the data of one install, and its erasure
data_routes     the HTTP routes
running         runs a command on an opened store
commands        the CLI commands
"""
