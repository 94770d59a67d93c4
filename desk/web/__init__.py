"""The HTTP edge shared by API and pages: who asks, what they may do, what goes wrong, what is measured."""
