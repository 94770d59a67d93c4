"""Files in messages: looking at them, keeping them, attaching them, and sweeping away what was never sent."""
