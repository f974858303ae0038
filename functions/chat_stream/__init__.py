"""The app of `functions/api` where replies must stream: behind the AWS Lambda Web Adapter. No code is here."""
