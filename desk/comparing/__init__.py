"""What a change would do to drafts: replayed on corrections and past replies before it is published, or live on a
share of the tickets."""
